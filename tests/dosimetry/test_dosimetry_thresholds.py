"""Shares, masses and temperatures of dosimetry just below and just above. Oracle of every test: the stated rule."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.dosimetry.averaging.average import averaging_plan, mass_average
from emdose.dosimetry.averaging.cubes import accepted_cubes
from emdose.dosimetry.averaging.cubic import AveragingPlan
from emdose.dosimetry.regions import deposition_slab
from emdose.dosimetry.sar import SarMap
from emdose.dosimetry.temperature import cem43
from emdose.errors import InputError


def test_cubes_of_step_two_may_be_five_percent_larger() -> None:
    """By volume, against the smallest of the six; an infinite one is none."""
    sides = np.cbrt([[1.0, 1.049, 1.051, 2.0, np.inf, 1.0], [2.0, 2.099, 2.101, np.inf, 4.0, 8.0]])
    np.testing.assert_array_equal(
        accepted_cubes(sides, 0.01), [[True, True, False, False, False, True], [True, True] + [False] * 4]
    )


@pytest.mark.parametrize(("share", "layers"), [(0.951, 3), (0.949, 4)])
def test_the_slab_holds_95_percent(made_up, share: float, layers: int) -> None:
    """Three layers that hold a little more or less; one beside them has the rest."""
    phantom = made_up.phantom(np.ones((1, 1, 6)))
    power = np.array([0, share / 3, share / 3, share / 3, 1 - share, 0])
    slab = deposition_slab(SarMap(power[None, None], "trapezium", phantom.grid, phantom.density), phantom)
    assert np.flatnonzero(slab.mask.any((0, 1))).tolist() == [1, 2, 3, 4][:layers]


@pytest.mark.parametrize(("more", "refused"), [(0.8e-6, False), (1.2e-6, True)])
def test_a_body_may_miss_the_mass_by_a_millionth(more: float, refused: bool) -> None:
    density = np.full((3, 3, 3), 1000.0)
    mass = 27 * 1000.0 * 1e-6 * (1 + more)
    sar = np.arange(27.0).reshape(3, 3, 3)
    if refused:
        with pytest.raises(InputError, match="larger than the body"):
            mass_average(sar, density, 0.01, mass, device="cpu")
    else:
        average = mass_average(sar, density, 0.01, mass, device="cpu")
        assert average.value[1, 1, 1] == pytest.approx(13.0)


@pytest.mark.parametrize(
    ("temperature", "minutes"),
    [(38.99, 0.0), (39.01, 0.25**3.99), (42.99, 0.25**0.01), (43.01, 0.5**-0.01), (44.0, 2.0)],
)
def test_minutes_count_from_39_and_the_law_breaks_at_43(temperature: float, minutes: float) -> None:
    """R^(43 - T) with R = 0.25 below and 0.5 above."""
    dose = cem43(np.array([0.0, 60.0]), np.full((2, 1), temperature))
    assert dose[0] == pytest.approx(minutes, rel=1e-9)


@pytest.mark.parametrize(("off", "cubes"), [(0.9e-6, True), (1.1e-6, False), (0.1, False)])
def test_voxels_are_cubes_to_a_millionth(off: float, cubes: bool) -> None:
    """The plan for cubes refuses others, and the choice between the plans goes by the same limit."""
    density, spacing = np.full((4, 4, 4), 1000.0), (2e-3, 2e-3, 2e-3 * (1 + off))
    assert isinstance(averaging_plan(density, spacing, 1e-4, device="cpu"), AveragingPlan) == cubes
    if not cubes:
        with pytest.raises(InputError, match="need cubic voxels"):
            AveragingPlan(density, spacing, 1e-4, device="cpu")
