"""The dipole under the flat phantom that systems of SAR measurement are checked with."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.constants import C_0
from emdose.solvers.fdtd.solver import Fdtd
from emdose.validation import cases
from emdose.validation.cases.coils import FLAT_300, FLAT_900


@pytest.mark.parametrize("flat", [FLAT_300, FLAT_900], ids=["300 MHz", "900 MHz"])
def test_the_model_is_the_one_that_the_targets_hold_for(flat):
    # Oracle: 15 mm from the axis to the liquid, a box of 0.6 wavelengths in air, lengths within a cell.
    exposure = flat.exposure()
    body, dipole, h = exposure.phantom, exposure.coil, flat.spacing_m
    liquid = body.labels == 2
    assert body.grid.nodes(2)[np.argwhere(liquid)[:, 2].min()] == pytest.approx(0.0, abs=1e-12)
    assert dipole.feeds[0].start_m[2] == -0.015
    assert dipole.length_m == pytest.approx(flat.length_m, abs=h)
    assert liquid.any(axis=(1, 2)).sum() * h >= 0.6 * C_0 / flat.frequency_Hz
    assert liquid.sum() * h**3 == pytest.approx(np.prod(flat.size_m), rel=0.03)
    assert Fdtd().plan(exposure, "cpu").bytes < 2e9


@pytest.mark.slow
def test_the_dipole_heats_the_liquid_as_the_targets_say():
    # Oracle: 3.0 and 2.0 W/kg in 1 g and 10 g for 1 W, quoted from secondary sources (later editions 2.85 and 1.94).
    # Measured: 3.07 and 2.08 with voxels of 5 mm, 3.12 and 2.13 of 3 mm.
    rows = cases.run(["flat phantom, 300 MHz"], device="cpu")
    assert [r for r in rows if not r.passed] == []
