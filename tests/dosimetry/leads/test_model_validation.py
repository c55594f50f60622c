"""Validation of a model: it finds the scale of a right one, a wrong one out, and refuses exposures of one phase."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em

S = np.linspace(0, 0.5, 101)
TF = em.TransferFunction(S, (1 - S) * np.exp(-(1 + 9j) * S), 64e6, 80.0, 0.47, "exp(+jwt)")


def exposure(beta: float, size: float = 1.0) -> em.TangentialE:
    middle = 0.5 * (S[1:] + S[:-1])
    return em.TangentialE(middle, np.diff(S), size * np.exp(-1j * beta * middle)[None], 64e6, ("drive",), "A")


EXPOSURES = [exposure(b, 1 + 0.3 * n) for n, b in enumerate((-12.0, -5.0, 0.0, 6.0))]
TRUE = np.array([3.0 * abs(e.induced(TF)[0]) ** 2 for e in EXPOSURES])


def test_right_model() -> None:
    off = np.array([1.05, 0.97, 1.02, 0.96])
    found = em.validate_model(TF, EXPOSURES, TRUE * off, measured_uncertainty=0.06, predicted_uncertainty=0.08)
    assert found.scale == pytest.approx(3.0 * np.exp(np.mean(np.log(off))))
    assert found.standard_uncertainty == pytest.approx(0.1)
    assert found.r_squared > 0.99
    assert found.largest_deviation == pytest.approx(np.abs(off / np.exp(np.mean(np.log(off))) - 1).max())
    assert found.within.all()


def test_wrong_model_is_found_out_by_phase() -> None:
    """A conjugated transfer function passes uniform fields of any size, and fails phase-diverse ones."""
    wrong = em.TransferFunction(S, TF.values.conj(), 64e6, 80.0, 0.47, "exp(+jwt)")
    found = em.validate_model(wrong, EXPOSURES, TRUE, measured_uncertainty=0.06, predicted_uncertainty=0.08)
    assert not found.within.all()
    assert found.r_squared < 0.5


def test_exposures_of_one_phase_are_refused() -> None:
    alike = [exposure(3.0, s) for s in (1.0, 2.0, 3.0)]
    with pytest.raises(em.InputError, match="do not differ in phase"):
        em.validate_model(TF, alike, np.ones(3), measured_uncertainty=0.1, predicted_uncertainty=0.1)
    with pytest.raises(em.InputError, match="too few conditions"):
        em.validate_model(TF, EXPOSURES[:2], np.ones(2), measured_uncertainty=0.1, predicted_uncertainty=0.1)
    with pytest.raises(em.InputError, match="bad measurements"):
        em.validate_model(TF, EXPOSURES, np.zeros(4), measured_uncertainty=0.1, predicted_uncertainty=0.1)
