"""What a map of electric properties measures about itself. Oracle: flags put in by hand, counted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.models.grids.grid import Grid
from emdose.scenarios.kinds import get
from emdose.validity import judge

GRID = Grid((10, 10, 2), 2e-3)


def made(counts: dict[Flag, int]) -> PropertyMap:
    flags = np.zeros(200, np.uint8)
    at = 0
    for flag, count in counts.items():
        flags[at : at + count] = flag
        at += count
    sigma = np.where(flags & (Flag.OUTSIDE | Flag.NO_FIT | Flag.FAILED), np.nan, 0.5)
    return PropertyMap(GRID, 64e6, sigma.reshape(GRID.shape), None, flags.reshape(GRID.shape))


@pytest.mark.parametrize(
    ("counts", "coverage", "odd", "state"),
    [
        ({}, 1.0, 0.0, "valid"),
        ({Flag.OUTSIDE: 100, Flag.NO_FIT: 50}, 0.5, 0.0, "valid"),
        ({Flag.OUTSIDE: 100, Flag.FAILED: 95}, 0.05, 0.0, "questionable"),
        ({Flag.NO_FIT: 200}, 0.0, None, "not valid"),
        ({Flag.UNPHYSICAL: 41}, 1.0, 0.205, "questionable"),
        ({Flag.UNPHYSICAL: 101}, 1.0, 0.505, "not valid"),
        ({Flag.NO_FIT: 100, Flag.UNPHYSICAL: 51}, 0.5, 0.51, "not valid"),
        ({Flag.INTERFACE | Flag.UNPHYSICAL: 120, Flag.UNPHYSICAL: 8}, 1.0, 0.1, "valid"),
        ({Flag.INTERFACE | Flag.UNPHYSICAL: 120, Flag.INTERFACE: 70}, 1.0, 0.0, "valid"),
        ({Flag.INTERFACE | Flag.UNPHYSICAL: 120, Flag.INTERFACE: 71}, 1.0, 0.6, "not valid"),
    ],
)
def test_voxels_with_a_value_and_impossible_ones(counts, coverage, odd, state):
    found = made(counts)
    assert {m.name: m.value for m in found.measures()} == pytest.approx(
        {"ept_coverage": coverage} | ({} if odd is None else {"ept_unphysical": odd})
    )
    assert judge(found.measures()).state == state


def test_a_run_is_as_good_as_its_best_method():
    """Oracle: by hand; one method that fails leaves the others what they are."""

    def method(voxels, missing, odd):
        return {"voxels": voxels, "missing": missing, "flags": {"UNPHYSICAL": odd}}

    def summary(**methods):
        return {"convergence": {"converged": True, "ports": []}, "power_balance": {}, "ept": {"methods": methods}}

    kind = get("ept")
    good = summary(a=method(0, 100, 0), b=method(90, 10, 9))
    assert {m.name: (m.value, m.where) for m in kind.measures(good)} == {
        "ept_coverage": (0.9, "b"),
        "ept_unphysical": (0.1, "b"),
    }
    assert judge(kind.measures(good)).state == "valid"
    # A conjugate phase turns the sign of every conductivity.
    assert judge(kind.measures(summary(a=method(100, 0, 98)))).state == "not valid"
    assert judge(kind.measures(summary(a=method(0, 100, 0)))).state == "not valid"


def test_heat_measures_its_steps_and_energy():
    from emdose.solvers.heat.directions import HeatResult
    from emdose.solvers.heat.solver import HeatCourse

    for kind in (HeatCourse, HeatResult):
        found = kind.measures(SimpleNamespace(balance_error=0.11, time_error=0.001, cells_across=None))
        assert [(m.name, m.value) for m in found] == [("heat_balance", 0.11), ("heat_steps", 0.001)]
        assert judge(found).state == "not valid"
