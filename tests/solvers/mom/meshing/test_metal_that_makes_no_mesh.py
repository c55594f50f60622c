"""One clear line for metal that cannot be meshed; oracle: what is wrong is known."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.models.coils.conductors import Conductor, FeedPort, Strip, Wire, solid_box
from emdose.models.grids.grid import Vector
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.meshing.options import MeshOptions

LARMOR = 127.74e6
FEED = ((0.0, 0.0, -0.065), (0.0, 0.0, -0.06))
UP = np.array([[0, 0, -0.1], [0, 0, 0.1]])
X, Y = np.eye(3)[:2]


def coil(conductors: list[Conductor], gap: tuple[Vector, Vector] = FEED) -> em.CircuitCoil:
    return em.CircuitCoil("test", conductors, [], [FeedPort("feed", *gap)])


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (coil([Wire(UP, 1e-3), Wire([[0, -0.1, 0.001], [0, 0.1, 0.001]], 1e-3)]), "cross or touch"),
        (coil([Wire(UP, 1e-3), Wire([[0.0015, -0.1, 0], [0.0015, 0.1, 0]], 1e-3)]), "cross or touch"),
        (coil([Strip(UP, 0.01, X), Strip([[0.03, 0, 0], [-0.03, 0, 0]], 0.01, Y)]), "cross or touch"),
        (coil([Strip(UP, 0.01, X), Strip([[0, -0.03, -0.03], [0, 0.03, 0.04]], 0.01, X)]), "cross or touch"),
        (coil([Strip(UP, 0.01, X), Wire([[-0.03, 0, 0], [0.03, 0, 0]], 1e-3)]), "cross or touch"),
        (coil([Wire(UP, 1e-3)], ((0.1, 0, 0), (0.1, 0, 0.005))), "ends on no metal"),
        (coil([Wire(UP, 1e-3)], ((0, 0, 0.1), (0, 0.005, 0.1))), "ends on no metal"),
        (coil([Wire(UP, 1e-3), Strip(UP + 0.01 * X, 0.01, X)], ((0, 0, 0), (0.01, 0, 0))), "that no mesh joins"),
        (coil([Wire(UP, 1e-3), solid_box((0, 0, -0.06), (0.1, 0.1, 0.1))]), "encloses gap 'feed'"),
        (coil([Wire(UP, 1e-3), solid_box((0.1, 0, 0), (0.02, 0.02, 0.02))]), "solid without a surface"),
        (coil([Wire([[0, 0, -0.1], [0, 0, 0], [0, 0.004, 0], [0, 0.004, 0.1]], 2.5e-3)]), "shorter than it is thick"),
        (coil([Strip([[0, 0, -0.1], [0, 0, 0], [0, 0.004, 0.004], [0, 0.004, 0.1]], 0.03, X)]), "strip is wider"),
    ],
)
def test_bad_metal(made: em.CircuitCoil, text: str) -> None:
    with pytest.raises(em.InputError, match=text) as found:
        mesh_of(made, LARMOR)
    assert "\n" not in str(found.value)


def test_a_mesh_too_coarse_for_the_frequency() -> None:
    shielded = em.CircuitBirdcage(8, strip_width_m=0.01, shield_radius_m=0.2)
    options = MeshOptions(per_wavelength=10, shield_around=8, shield_along=2)
    with pytest.raises(em.InputError, match="too coarse for the frequency"):
        mesh_of(shielded, 500e6, options)
    assert len(mesh_of(shielded, LARMOR, options).triangles)


@pytest.mark.parametrize("bad", [{"across": 1}, {"growth": 0.5}, {"per_wavelength": 5}, {"line_radius_m": 0}])
def test_bad_options(bad: dict[str, float]) -> None:
    with pytest.raises(em.InputError):
        MeshOptions(**bad)  # type: ignore[arg-type]


def test_wires_that_share_a_point_are_joined() -> None:
    tee = [Wire(UP, 1e-3), Wire([[0, 0, 0], [0, 0.1, 0]], 1e-3)]
    mesh = mesh_of(coil(tee), LARMOR)
    assert np.bincount(np.unique(mesh.wires, return_counts=True)[1]).tolist()[3] == 1
