"""Bodies from surface files: nested tissues come back, repairs are told, and bad files are one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from surfaces import icosphere

import emdose as em
from emdose.errors import InputError


def written(folder: Path, name: str, radius: float) -> Path:
    """A ball in millimetres."""
    v, f = icosphere(2, radius)
    ball = em.implants.sphere(0.01)
    part = em.implants.Part("ball", v, f, ball.parts[0].metal)
    return em.write_implant(em.Implant("ball", (part,), {}), folder / name, unit="mm")[0]


@pytest.mark.parametrize("ending", [".stl", ".ply", ".vtk", ".msh"])
def test_nested_tissues_come_back(tmp_path: Path, ending: str) -> None:
    files = {written(tmp_path, f"skin{ending}", 0.1): "muscle", written(tmp_path, f"skull{ending}", 0.08): 0.02}
    body = em.read_surface_body(files, unit="mm")
    assert body.name == "skin"
    assert [m if isinstance(m, float) else m.name for pair in body.materials for m in pair] == [
        "muscle",
        "air",
        0.02,
        "muscle",
    ]
    np.testing.assert_allclose(body.shells.volume_m3, 4 / 3 * np.pi * np.array([0.1, 0.08]) ** 3, rtol=0.04)
    assert len(body.report["skull"]["sha256"]) == 64


def test_remeshed_surfaces_are_even_and_keep_their_volume(tmp_path: Path) -> None:
    """Oracle: the ball."""
    for inside, count in ((0.3, 200), (0.3, 2000)):
        v, f = icosphere(3, 0.1)
        new = em.Interface("ball", v * [1, 1, 2], f, inside).remeshed(count)
        assert len(new.triangles) == pytest.approx(count, rel=0.15)
        body = em.SurfaceBody([new])
        before = em.SurfaceBody([em.Interface("ball", v * [1, 1, 2], f, inside)])
        assert body.shells.volume_m3[0] == pytest.approx(before.shells.volume_m3[0], rel=1e-3)
    path = written(tmp_path, "skin.stl", 0.1)
    assert em.read_surface_body({path: 0.3}, unit="mm", triangles=640).triangles == pytest.approx(640, rel=0.15)


def test_without_pyacvd_pyvista_remeshes(monkeypatch: pytest.MonkeyPatch) -> None:
    from emdose.models.surfaces import remeshing

    monkeypatch.setattr(remeshing, "find_spec", lambda name: None)
    v, f = icosphere(3, 0.1)
    points, triangles, way = remeshing.remeshed(v, f, 300, "ball")
    assert way == "pyvista"
    assert len(triangles) == pytest.approx(300, rel=0.15)
    em.SurfaceBody([em.Interface("ball", points, triangles, 0.3)])


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, "skin.stl", 0.1)
    for files, unit, message in (
        ({}, "mm", "no file given"),
        ({path: "muscel"}, "mm", "did you mean 'muscle'"),
        ({path: "muscle"}, "m", "perhaps unit='mm'"),
        ({path: "muscle"}, "furlong", "unknown unit"),
        ({tmp_path / "none.stl": "muscle"}, "mm", "none.stl"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            em.read_surface_body(files, unit=unit)
        assert "\n" not in str(caught.value)
