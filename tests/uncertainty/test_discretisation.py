"""Refinement of grids: known orders, series that are none, and spheres beside Mie."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emdose as em
from emdose.errors import InputError
from emdose.uncertainty import refinement
from emdose.uncertainty.discretisation import LOWEST_ORDER, observed_order
from emdose.validation import closed_forms

GRIDS = (3e-3, 4e-3, 6e-3)


def series(order: float, limit: float = 2.0, step: float = 0.3) -> list[float]:
    return [limit + step * (h / 3e-3) ** order for h in GRIDS]


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 8), st.floats(-5, 5), st.floats(0.01, 3), st.floats(1.15, 3), st.floats(1.15, 3))
def test_known_orders_are_found(order: float, limit: float, step: float, first: float, second: float) -> None:
    """Oracle: the series is made of the order; at the right theoretical order the limit is exact and inside."""
    h = (1e-3, first * 1e-3, first * second * 1e-3)
    f = [limit + step * (x / 1e-3) ** order for x in h]
    assert observed_order(h, f) == pytest.approx(order, rel=1e-6)
    found = refinement(h, f, theoretical_order=max(order, LOWEST_ORDER))
    assert found.behaviour == "monotone"
    assert found.extrapolated == pytest.approx(limit, abs=1e-6 * (abs(limit) + step))
    assert found.expanded == pytest.approx(1.25 * step, rel=1e-5)


@pytest.mark.parametrize("order", [0.25, 0.5, 0.8, 1.0, 1.6, 2.0, 2.5, 4.0])
def test_interval_holds_the_limit_at_any_order(order: float) -> None:
    """Oracle: the limit of the series, with the theoretical order of a staircase."""
    found = refinement(GRIDS, series(order))
    assert abs(found.value - 2.0) <= found.expanded
    assert found.order == pytest.approx(order)
    assert found.behaviour == ("slow" if order < 0.5 else "monotone" if order <= 2.1 else "irregular")
    assert (found.extrapolated is None) == (found.behaviour != "monotone")


def test_series_without_a_limit() -> None:
    """Oracle: the contract: no extrapolation, and at least the spread of all values."""
    for values, behaviour in (
        ((2.0, 2.1, 2.05), "oscillating"),
        ((2.0, 2.0, 2.1), "oscillating"),
        ((3.0, 2.0, 1.9), "diverging"),
        ((0.1, 2.0, 2.1), "diverging"),
        ((2.0, 2.0 + 1e-5, 3.0), "irregular"),
    ):
        found = refinement(GRIDS, values)
        assert found.behaviour == behaviour, values
        assert found.extrapolated is None
        assert found.expanded >= max(values) - min(values)
        assert behaviour in found.basis
    flat = refinement(GRIDS, (2.0, 2.0, 2.0))
    assert (flat.behaviour, flat.expanded, flat.extrapolated) == ("constant", 0.0, 2.0)


def test_two_grids_and_many() -> None:
    """Oracles: Roache's factor 3 at order 1; of four grids the finest three show the order, all of them the spread."""
    two = refinement((4e-3, 2e-3), (2.4, 2.2))
    assert (two.spacings_m, two.values, two.order) == ((2e-3, 4e-3), (2.2, 2.4), None)
    assert two.extrapolated == pytest.approx(2.0)
    assert two.expanded == pytest.approx(0.6)
    assert two.uncertainty()["kind"] == "discretisation"
    assert refinement((*GRIDS, 8e-3), (*series(1.0), 9.0)).order == pytest.approx(1.0)
    assert refinement((*GRIDS, 8e-3), (2.0, 2.1, 2.05, 9.0)).expanded >= 7.0


def test_what_cannot_be_refined() -> None:
    """Oracle: one InputError."""
    for steps, values in (
        ((1e-3,), (1.0,)),
        ((1e-3, 1e-3), (1.0, 2.0)),
        ((1e-3, -2e-3), (1.0, 2.0)),
        ((1e-3, 2e-3), (1.0, float("nan"))),
        ((1e-3, 2e-3), (1.0, 2.0, 3.0)),
    ):
        with pytest.raises(InputError):
            refinement(steps, values)
    with pytest.raises(InputError):
        refinement(GRIDS, series(1.0), theoretical_order=0)


def test_interval_of_a_sphere_holds_mie() -> None:
    """Oracle: Mie's series of the absorbed power, inside the interval of every pair and triple of five grids."""
    frequency_Hz, radius = 128e6, 0.1
    tissue = em.Tissue("test tissue", 1000.0, em.tissues.Constant(50.0, 0.6))
    exact = closed_forms.Sphere([radius], [tissue.complex_permittivity(frequency_Hz)], frequency_Hz).power()

    def absorbed(h: float) -> float:
        body = em.phantoms.sphere(radius, h, tissue)
        fields = em.Vie(dtype="complex64").solve(em.Exposure(body, em.PlaneWave(), frequency_Hz))
        return float(fields.power.power()["absorbed_W"])

    found = {h: absorbed(h) for h in (20e-3, 16e-3, 12.5e-3, 10e-3, 8e-3)}
    for n in (2, 3):
        for grids in itertools.combinations(found, n):
            one = refinement(grids, [found[h] for h in grids])
            assert abs(one.value - exact["absorption"]) <= one.expanded, (grids, one)
