"""How noise enters the Helmholtz quotient: the stated responses against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.ept.local.formulas import (
    GRADIENT,
    LAPLACIAN,
    VALUE,
    complex_quotient,
    magnitude_quotient,
    phase_quotient,
    split_quotient,
)

FUNCTIONALS = (VALUE, *GRADIENT, LAPLACIAN)


def _q(quotient: object) -> np.ndarray:
    re, im = quotient.re, quotient.im  # type: ignore[attr-defined]
    return (0.0 if re is None else re) + 1j * (0.0 if im is None else im)


@pytest.mark.parametrize(
    ("make", "channels"),
    [
        (split_quotient, (0, 1)),
        (lambda v: phase_quotient(v, 1), (1,)),
        (lambda v: magnitude_quotient(v, True), (0,)),
    ],
)
def test_responses_to_magnitude_and_phase(make: object, channels: tuple[int, ...]) -> None:
    """Oracle: central differences of the quotient in every functional of its channels."""
    rng = np.random.default_rng(0)
    value = {(c, f): 2.0 * (f == VALUE) + rng.normal(size=5) for c in (0, 1) for f in FUNCTIONALS}
    value[0, VALUE] = np.abs(value[0, VALUE]) + 1
    response, h = make(value).response, 1e-6  # type: ignore[operator]
    for key in value:
        if key[0] not in channels:
            continue
        up, down = (_q(make({**value, key: value[key] + s * h})) for s in (1, -1))  # type: ignore[operator]
        np.testing.assert_allclose(response.get(key, 0.0) + np.zeros(5), (up - down) / (2 * h), atol=1e-7)


def test_response_to_complex_data() -> None:
    """Oracle: the same; q is analytic in B1+, so that one complex number holds both derivatives."""
    rng = np.random.default_rng(1)
    value = {(c, f): 1.5 * (f == VALUE) + rng.normal(size=5) for c in (0, 1) for f in FUNCTIONALS}
    response, h = complex_quotient(value).response, 1e-6
    for f in FUNCTIONALS:
        for channel, unit in ((0, 1.0), (1, 1j)):
            key = (channel, f)
            up, down = (_q(complex_quotient({**value, key: value[key] + s * h})) for s in (1, -1))
            np.testing.assert_allclose(unit * response.get((0, f), 0.0) + np.zeros(5), (up - down) / (2 * h), atol=1e-7)
