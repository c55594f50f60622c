"""A fed loop of wire above a lossy sphere by ``Vsie``, beside the series and beside a current that is given."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.validation.cases import coils


@pytest.mark.parametrize("spacing_m", [8e-3, pytest.param(5e-3, marks=pytest.mark.slow)])
def test_rows_of_the_validation(spacing_m):
    # Oracle: multipole series of the loop. The voxels leave 1.9 % of E with 8 mm and 1.0 % with 5 mm by themselves.
    rows = coils.fed_loop_over("cpu", spacing_m)
    assert [r for r in rows if not r.passed] == []
    assert max(r.error for r in rows) > 1e-3  # nothing is that good on a staircase


def test_at_low_frequencies_it_is_a_loop_of_given_current():
    # Oracle: the volume integral of an ideal loop in the same voxels. What is left is the polygon of 54 pieces, whose
    # area is 0.2 % less than the circle's; at 10 MHz the charge beside the gap adds 0.9 %.
    exposure = coils.fed_loop(1e6, 8e-3)
    E, absorbed = coils.per_ampere(exposure, "cpu")
    ideal = em.Loop(coils.LOOP_M, centre_m=(0.0, 0.0, coils.HEIGHT_M))
    given = em.Vie(tolerance=1e-4).solve(em.Exposure(exposure.phantom, ideal, 1e6), device="cpu")
    inside, _ = coils.core(exposure)
    expected = given.E_centre()[0][:, inside]
    assert np.linalg.norm(E[:, inside] - expected) < 3e-3 * np.linalg.norm(expected)
    assert absorbed == pytest.approx(given.power.power()["absorbed_W"], rel=5e-3)
