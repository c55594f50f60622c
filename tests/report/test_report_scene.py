from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from emdose.report.maps import shaded
from emdose.report.maps.scene import PNG_MAGIC, Renderer, Scene, draw_plain
from emdose.scenarios.kinds.implant_gradient.page import page
from emdose.scenarios.kinds.implant_gradient.page.scene import ImplantScene

SEGMENTS = np.array([[[0.05, 0.0, -0.05], [0.05, 0.0, 0.05]], [[-0.05, 0.0, -0.05], [-0.05, 0.0, 0.05]]])


def small_scene(n: int = 10, segments: np.ndarray = SEGMENTS) -> Scene:
    x = np.arange(n) - (n - 1) / 2
    body = (x[:, None, None] ** 2 + x[:, None] ** 2 + x**2) < (0.4 * n) ** 2
    return Scene(body, (5e-3,) * 3, (-2.5e-3 * n,) * 3, segments, body * 1.0, (0.0, 0.0, 0.01))


def failing(code: str, timeout_s: float = 20.0) -> tuple[bytes, str]:
    return Renderer(small_scene(), [sys.executable, "-c", code], timeout_s).png()


def test_scene_survives_the_pipe():
    """Oracle: the scene that was sent."""
    scene = small_scene()
    back = Scene.of_archive(scene.archive())
    assert np.array_equal(back.body, scene.body)
    assert np.array_equal(back.segments_m, scene.segments_m)
    assert np.allclose(back.hot, scene.hot)
    assert (back.spacing_m, back.origin_m, back.hot_spot_m) == (scene.spacing_m, scene.origin_m, scene.hot_spot_m)
    assert Scene.of_archive(Scene(scene.body, *([(1.0,) * 3] * 2), SEGMENTS, scene.hot).archive()).hot_spot_m is None


def test_large_scenes_are_thinned():
    """Oracle: no side above the limit, the same extent to one voxel."""
    body = np.ones((250, 30, 10), bool)
    thin = Scene(body, (1e-3,) * 3, (0.0,) * 3, SEGMENTS, body * 1.0).thinned(100)
    assert max(thin.body.shape) <= 100
    assert thin.body.shape[0] * thin.spacing_m[0] == pytest.approx(0.25, abs=3e-3)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os; os.abort()", "code"),
        ("import sys; sys.exit(3)", "code 3"),
        ("print('no picture')", "code 0"),
        ("import sys; sys.stdin.close()", "code 0"),
    ],
)
def test_a_crashing_renderer_leaves_a_plain_picture(code: str, why: str):
    """Oracle: the PNG signature; the reason names how the process ended."""
    png, problem = failing(code)
    assert png.startswith(PNG_MAGIC)
    assert why in problem


def test_a_renderer_that_hangs_is_ended():
    """Oracle: the time limit that was given."""
    png, problem = failing("import time; time.sleep(60)", timeout_s=0.5)
    assert png.startswith(PNG_MAGIC)
    assert "0.5 s" in problem


def test_a_renderer_that_does_not_exist():
    """Oracle: a program that cannot be started must not fail the report."""
    png, problem = Renderer(small_scene(), ["/no/such/program"]).png()
    assert png.startswith(PNG_MAGIC)
    assert "did not run" in problem


@pytest.mark.parametrize("path", [None, "", ".", "here", ":"])
def test_a_report_runs_nothing_from_the_current_folder(tmp_path, monkeypatch, path):
    """Oracle: modules lie there that leave a mark when they are imported."""
    mark = tmp_path / "executed"
    for name in ("numpy", "pyvista", "vtk", "runpy", "sitecustomize", "usercustomize", "lazy_loader", "emdose"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r} + ' ')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path, str(tmp_path)])
    if path is not None:
        monkeypatch.setenv("PYTHONPATH", str(tmp_path) if path == "here" else path)
    implant = ImplantScene(np.eye(3)[None], np.ones((1, 3)), 1.0)
    renderers = [Renderer(small_scene(), timeout_s=120), page._renderer(implant)]
    for renderer in renderers:
        renderer.png()
    assert not mark.exists()


def test_plain_picture_shows_the_hot_spot():
    """Oracle: pixels of the marker's colour exist with a hot spot and not without."""

    def reds(scene: Scene) -> int:
        image = imread(io.BytesIO(draw_plain(scene)))[..., :3]
        return int(np.sum(np.abs(image - np.array([0xE0, 0x32, 0x2B]) / 255).max(axis=-1) < 0.08))

    scene = small_scene()
    assert reds(scene) > 30
    assert reds(Scene(scene.body, scene.spacing_m, scene.origin_m, SEGMENTS, scene.hot)) < 10


def test_pyvista_picture_or_a_reason():
    """Oracle: either a picture with a transparent background and copper in it, or a plain one with a reason."""
    png, problem = Renderer(small_scene(), timeout_s=120).png()
    image = imread(io.BytesIO(png))
    assert image.ndim == 3
    if not problem:
        assert image[2, 2, 3] == 0
        red, green, blue, opaque = np.moveaxis(image, -1, 0)
        assert np.sum((opaque > 0.9) & (red > 1.4 * green) & (green > 1.2 * blue)) > 200


def test_scene_without_conductors():
    """Oracle: a plane wave has no segments; there is still a picture."""
    assert draw_plain(small_scene(segments=np.zeros((0, 2, 3)))).startswith(PNG_MAGIC)


def test_plain_picture_is_a_shaded_ball():
    """Oracle: a ball of 0.4 n voxels: a disc of its area, depth z = sqrt(R^2 - x^2 - y^2), brightest to the light."""
    n, h = 40, 5e-3
    scene = small_scene(n)
    view = np.array([0.3, 1.0, 0.4])
    image, extent, depth = shaded.body_picture(scene.body, scene.spacing_m, scene.origin_m, view, (1.0, 1.0, 1.0))
    rows, columns = depth.shape
    x = extent[0] + (np.arange(columns) + 0.5) * (extent[1] - extent[0]) / columns
    y = extent[2] + (np.arange(rows) + 0.5) * (extent[3] - extent[2]) / rows
    radius = 0.4 * n * h
    pixel = (extent[1] - extent[0]) / columns * (extent[3] - extent[2]) / rows
    seen = np.isfinite(depth)
    assert seen.sum() * pixel == pytest.approx(np.pi * radius**2, rel=0.03)
    rho = np.hypot(x[None], y[:, None])
    inner = rho < 0.8 * radius
    np.testing.assert_allclose(depth[inner], np.sqrt(radius**2 - rho[inner] ** 2), atol=1.2 * h)
    normals = np.stack([*np.broadcast_arrays(x[None], y[:, None]), np.where(inner, depth, 0)], -1)[inner] / radius
    np.testing.assert_allclose(image[inner][:, 0], shaded.shade(normals), atol=0.12)
    assert (image[~seen] == 0).all()


def test_what_lies_behind_a_ball_is_hidden():
    """Oracle: points before, behind and beside it."""
    scene = small_scene(20)
    view = np.array([1.0, 1.0, 0.0])
    _, extent, depth = shaded.body_picture(scene.body, scene.spacing_m, scene.origin_m, view, (1.0, 1.0, 1.0))
    points = np.array([[0, 0, 0.1], [0, 0, -0.1], [0.09, 0, -0.1]])
    np.testing.assert_array_equal(shaded.behind(points, extent, depth), [False, True, False])


COUNTING = """
import pathlib, sys
sys.stdin.buffer.read()
state = pathlib.Path(sys.argv[1])
told = state.read_text() if state.exists() else ""
state.write_text(told + "x")
sys.stdout.buffer.write(bytes.fromhex(sys.argv[2]) + told.encode())
"""


def test_a_picture_is_drawn_once(tmp_path, monkeypatch):
    """Oracle: what a renderer drew comes back when the program would draw something else; another scene does not."""
    monkeypatch.setenv("EMDOSE_CACHE_DIR", str(tmp_path / "cache"))
    state = tmp_path / "state"
    command = [sys.executable, "-c", COUNTING, str(state), PNG_MAGIC.hex()]
    first = Renderer(small_scene(), command).png()
    assert Renderer(small_scene(), command).png() == first == (PNG_MAGIC, "")
    assert state.read_text() == "x"
    assert Renderer(small_scene(12), command).png() == (PNG_MAGIC + b"x", "")
