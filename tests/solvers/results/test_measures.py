"""What results measure about themselves. Oracle: numbers put in by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made_up_implant import tensor_of

from emdose.models.implants import shapes
from emdose.solvers.results.bounds import extrapolated_share
from emdose.solvers.results.measures import heat_measures, worst


@pytest.fixture(scope="module")
def tensor():
    return tensor_of(shapes.cylinder(8e-3, 60e-3), 4e-3)[0]


def test_a_tensor_tells_the_worst_of_its_voxel_frequencies(tensor):
    n = len(tensor.frequencies_Hz)
    residual, identity = np.full(n, 1e-6), np.zeros(n)
    residual[0], residual[-1], identity[1] = 3e-5, 1.0, -0.04
    made = replace(
        tensor,
        residual=residual,
        identity=identity,
        engine=("voxel",) * (n - 1) + ("thin-skin",),
        provenance={"options": {"tolerance": 1e-5}},
    )
    found = {m.name: (m.value, m.where) for m in made.measures()}
    f = made.frequencies_Hz
    assert found == {
        "residual": (pytest.approx(3.0), f"{f[0]:g} Hz"),
        "power_identity": (pytest.approx(0.04), f"{f[1]:g} Hz"),
    }


def test_a_tensor_knows_what_it_extrapolates(tensor):
    low, high = tensor.frequencies_Hz[[0, -1]]
    along = np.array([[1.0, 0, 0]])
    assert tensor.extrapolated([low], along) == 0
    assert tensor.extrapolated([0.5 * (low + high)], along) == 0
    assert tensor.extrapolated([10 * high], along) > 0.02


def test_one_solved_frequency_bounds_by_the_square():
    """Oracle: by hand. At a quarter of the frequency the power lies between g and 16 g."""
    share = extrapolated_share(np.array([1000.0]), np.array([[2.0]]), np.array([250.0]), np.array([2.0]))
    assert share == pytest.approx(15.0)
    assert extrapolated_share(np.array([1000.0]), np.array([[0.0]]), np.array([250.0]), np.array([0.0])) == 0


def test_what_is_not_finite_is_the_worst():
    assert worst("closure", {}) == []
    found = worst("closure", {"a": 5.0, "b": math.nan})
    assert (found[0].where, math.isnan(found[0].value)) == ("b", True)


def test_heat_states_its_errors_where_it_knows_them():
    assert [(m.name, m.value) for m in heat_measures({"balance_error": -0.03, "time_error": 0.01})] == [
        ("heat_balance", 0.03),
        ("heat_steps", 0.01),
    ]
    assert heat_measures({}) == []
