"""The scripts of the gallery on leads, checked against an oracle each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emdose as em
from emdose.validation.closed_forms.leads.insulated_wire import king_line


def test_transfer_function_of_a_lead(run: Any) -> None:
    """Oracles: pieces beside reciprocity; King's wavenumber."""
    got = run("34_lead_transfer_function.py")
    for field_T, (tf, pieces) in got["found"].items():
        off = np.abs(pieces.values - tf.at(pieces.distance_m))
        assert np.linalg.norm(off) < 0.03 * np.linalg.norm(pieces.values)
        k, _ = king_line(tf.frequency_Hz, 0.5e-3, 0.9e-3, 3.0, 80.0, 0.47)
        assert abs(got["waves"][field_T].k_per_m - k) < 0.08 * abs(k)


@pytest.mark.slow
def test_lead_in_an_adult(run: Any) -> None:
    """Oracles: the nominal path by hand, and the bound of tier 1."""
    got = run("35_lead_tier3.py")
    found, tf = got["found"], got["tf"]
    s = em.tangential_E(got["fields"], got["lead"]).induced(tf)[0]
    assert got["budget"].value == pytest.approx(tf.scale * abs(s) ** 2, rel=1e-9)
    assert found.quantity.shape == (500, 1)
    assert found.worst[0] < em.tier1(tf, got["fields"], got["body"]).value
    assert 0.5 < found.percentile(95) / got["budget"].value < 3


@pytest.mark.slow
def test_lead_in_the_time_domain(run: Any) -> None:
    """Oracle: the moment method, whose gel has no end."""
    got = run("36_lead_in_fdtd.py")
    for s in (0.02, 0.1, 0.18):
        assert abs(got["found"].at(s)[0]) == pytest.approx(abs(got["expected"].at(s)[0]), rel=0.1)
