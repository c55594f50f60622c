"""Induced fields beside closed forms at 8 and 4 mm; the voxels' own staircase is what is left.

Oracles: sphere, layered sphere, ellipsoid, cylinders and a small sphere in a large one, in uniform dB/dt; a magnetic
dipole beside a layered sphere. The limits are those of docs/theory/quasistatic.md with a tenth more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.models.bodies import solids
from emdose.validation.cases.induced.bodies import OBLIQUE, InducedCase, body_of, cases, errors, tissue, uniform
from emdose.validation.closed_forms.low_frequency import induced_bodies

LIMITS = {
    "sphere": (0.076, 0.057),
    "layered sphere": (0.150, 0.119),
    "layered sphere, dipole": (0.144, 0.118),
    "ellipsoid": (0.094, 0.068),
    "cylinder, along": (0.166, 0.119),
    "cylinder, across": (0.0062, 0.0052),
    "conducting ball": (0.086, 0.067),
    "resisting ball": (0.083, 0.064),
}
"""L2 error at 8 and at 4 mm."""
COARSE, FINE = (list(cases(h)) for h in (8e-3, 4e-3))


@pytest.mark.parametrize(
    ("case", "limit"),
    [(c, LIMITS[c.name][k]) for k, level in enumerate((COARSE, FINE)) for c in level],
    ids=lambda v: getattr(v, "name", f"{v:g}" if isinstance(v, float) else ""),
)
def test_field_beside_the_closed_form(case: InducedCase, limit: float) -> None:
    found = em.Quasistatic().solve(case.phantom, case.source)
    here = case.where(found.points_m)
    assert errors(found.E[0][:, here], case.E(found.points_m[here]))["L2"] < limit
    assert found.balance.max() < 1e-6


def test_away_from_the_skin_the_error_is_of_second_order() -> None:
    """Oracle: E = r x dB/dt / 2 inside of three quarters of the radius."""
    wrong = []
    for level in (COARSE, FINE):
        found = em.Quasistatic().solve(level[0].phantom, level[0].source)
        deep = np.linalg.norm(found.points_m, axis=1) < 0.075
        wrong.append(errors(found.E[0][:, deep], level[0].E(found.points_m[deep]))["L2"])
    assert wrong[1] < 0.01
    assert wrong[1] < 0.4 * wrong[0]


def test_power_is_of_first_order() -> None:
    """Oracle: the power of an ellipsoid, whose volume the voxels keep within 0.3 %."""
    for level, limit in ((COARSE, 0.025), (FINE, 0.015)):
        case = level[3]
        found = em.Quasistatic().solve(case.phantom, case.source)
        power = float((found.E[0].astype(float) ** 2).sum())
        assert power == pytest.approx(float((case.E(found.points_m) ** 2).sum()), rel=limit)


def test_faces_see_the_jump_of_the_normal_field() -> None:
    """Oracles at a flat border of two tissues that currents cross: tangential fields are one, and normal currents are
    as voxels get smaller."""
    block = [
        solids.box(tissue("gel", 0.3), (0, 0, 0), (0.04,) * 3),
        solids.box(tissue("fluid", 1.8), (-0.02, 0, 0), (0.02, 0.04, 0.04)),
    ]
    gaps = []
    for h in (4e-3, 2e-3):
        found = em.Quasistatic(keep_edges=True).solve(body_of(block, h), uniform())
        place = np.full(found.phantom.grid.size, -1)
        place[found.cells] = np.arange(len(found.cells))
        place = place.reshape(found.phantom.grid.shape)
        for axis in range(3):
            above = np.roll(place, -1, axis)
            low, high = place[(place >= 0) & (above >= 0)], above[(place >= 0) & (above >= 0)]
            up, down = found.E_at_faces(axis, True)[0][:, low], found.E_at_faces(axis, False)[0][:, high]
            for other in (a for a in range(3) if a != axis):
                assert np.allclose(up[other], down[other], rtol=0, atol=1e-7)
            jump = found.conductivity[low] != found.conductivity[high]
            assert jump.any() == (axis == 0)
            if axis == 0:
                J = [found.conductivity[i][jump] * E[axis][jump] for i, E in ((low, up), (high, down))]
                gaps.append(float(np.linalg.norm(J[0] - J[1]) / np.linalg.norm(J[0] + J[1])))
        centre = 0.5 * (found.E_at_faces(0, True) + found.E_at_faces(0, False))
        assert np.allclose(centre, found.E, atol=1e-7)
    assert gaps[1] < 0.08
    assert gaps[1] < 0.65 * gaps[0]


def test_fields_on_faces_are_refused_where_they_were_not_kept() -> None:
    found = em.Quasistatic().solve(COARSE[1].phantom, uniform())
    with pytest.raises(em.InputError, match="keep_edges"):
        found.E_at_faces(0, True)
    with pytest.raises(em.InputError, match="no such axis"):
        found.E_at_faces(3, True)


# ---- the closed forms themselves -------------------------------------------------------------------------------------
def test_dipole_beside_a_sphere() -> None:
    """Oracle: a table of the closed form by another program."""
    table = np.loadtxt(Path(__file__).parents[2] / "data" / "induced_sphere_dipole_E.csv", delimiter=",", skiprows=2)
    E = induced_bodies.sphere_dipole_E(table[:, :3], (0.02, 0.01, 0.12), (1.0, 0.5, 2.0))
    assert np.abs(E - table[:, 3:]).max() < 1e-13


@pytest.mark.parametrize("case", COARSE, ids=lambda c: c.name)
def test_closed_forms_turn_as_the_source_does(case: InducedCase) -> None:
    """Oracle: curl E = -dB/dt, by circles around the points in field and source, and a normal field of zero."""
    rng = np.random.default_rng(1)
    centre = np.array((0.03, 0.01, -0.02)) * ("ball" in case.name)
    at = rng.uniform(-0.02, 0.02, (20, 3)) + centre
    at = at[np.linalg.norm(at - centre, axis=1) < 0.028]
    for axis in range(3):
        b, c = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
        step, around = 1e-4, [(0.0, 0.0)] * len(at)
        around = np.zeros((2, len(at)))
        for k, field in enumerate((case.E, case.source.impressed_E)):
            around[k] = (
                (field(at + step * b) - field(at - step * b)) @ c - (field(at + step * c) - field(at - step * c)) @ b
            ) / (2 * step)
        assert np.allclose(around[0], around[1], atol=1e-4 * np.abs(around).max() + 1e-12)
    if case.name == "ellipsoid":
        surface = rng.normal(size=(30, 3))
        surface *= np.array((0.1, 0.06, 0.08)) / np.linalg.norm(surface, axis=1)[:, None]
        normal = surface / np.square((0.1, 0.06, 0.08))
        assert np.abs((case.E(surface) * normal).sum(axis=1)).max() < 1e-12
        assert np.linalg.norm(OBLIQUE) == pytest.approx(1)
