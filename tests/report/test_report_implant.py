"""The page of an implant run: what must stand on it, and what must not."""

from __future__ import annotations

import re

import numpy as np
import pytest
from made_up_implant import made_up_implant

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.charts.orientation import Mark, disc
from emdose.report.maps.scene import Renderer
from emdose.scenarios.kinds.implant_gradient.page import page as implant_html
from emdose.scenarios.kinds.implant_gradient.page.content import from_disc
from emdose.scenarios.kinds.implant_gradient.page.page import surface_values
from emdose.scenarios.kinds.implant_gradient.page.scene import ImplantScene, subdivided
from emdose.scenarios.results import write_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("implant")
    with pytest.MonkeyPatch.context() as patch:
        # Without VTK: the plainer pictures by matplotlib.
        patch.setattr(implant_html, "Renderer", lambda scene, command: Renderer(scene, ["false"]))
        return write_report(made_up_implant(folder=folder, spacing_m=3e-3)).read_text(encoding="utf-8")


def test_page_has_all_sections(page):
    """Oracle: the list of sections that a reader was promised."""
    for anchor in (
        "setup",
        "power",
        "heating",
        "exposure-1",
        "exposure-2",
        "conditions",
        "published",
        "solver",
        "numbers",
        "provenance",
    ):
        assert f'id="{anchor}"' in page
    assert page.count("<svg") >= 9
    assert page.count("data:image/png;base64,") >= 8
    for words in ("2.5", "implant.rotate_deg", "orientations [%]", "worst place (cross)", "in tissue", "Left out by"):
        assert words in page
    for words in ("1.81", "worst orientation", "unverified", "ISO/TS 10974:2018", "Skin depth / step"):
        assert words in page
    assert "compliant" not in page.lower()


def test_page_is_self_contained(page):
    """Oracle: no address of another host outside of text; no value that could not be shown."""
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []
    body = page[page.index("<main>") :]
    assert ">nan<" not in body.lower()
    assert "None" not in re.sub(r"<pre>.*?</pre>", "", body, flags=re.S)


def test_colours_follow_the_loss():
    """Oracle: the made-up loss grows along z: so must the colours, on triangles of the same distance from the rims."""
    result = made_up_implant(spacing_m=3e-3)
    corners, value = surface_values(result, result.exposures["ISO"].loss)
    corners, value = corners.reshape(-1, 3), value.ravel()
    z = corners[:, 2]
    low, high = (value[(z > a) & (z < a + 6e-3)].mean() for a in (-20e-3, 14e-3))
    assert high > 2 * low > 0
    density = result.exposures["ISO"].loss.sum() / result.fraction.sum()
    assert 0.2 * density < np.median(value) < 5 * density


def test_scene_survives_its_archive_and_draws_without_vtk():
    """Oracle: the scene itself; a PNG where the renderer fails."""
    triangles = np.random.default_rng(1).normal(size=(40, 3, 3))
    value, around = np.arange(120.0).reshape(40, 3), np.array([[-1, -1, -1], [1, 1, 1]])
    scene = ImplantScene(triangles, value, 119.0, (0, 0, 1), around, np.ones(3))
    again = ImplantScene.of_archive(scene.archive())
    np.testing.assert_allclose(again.triangles_m, triangles, rtol=1e-6)
    assert again.hot_spot_m == (0, 0, 1)
    assert ImplantScene.of_archive(ImplantScene(triangles, np.zeros((40, 3)), 0.0).archive()).arrow is None
    png, problem = Renderer(scene, ["false"]).png()
    assert png.startswith(b"\x89PNG")
    assert "code 1" in problem


def test_long_triangles_are_divided_and_cover_the_same() -> None:
    """Oracle: area, orientation, edges no longer than asked; each piece lies in the triangle it came from."""
    whole = np.array([[[0, 0, 0], [4e-2, 0, 0], [0, 1e-2, 0]], [[0, 0, 1e-2], [1e-3, 0, 1e-2], [0, 1e-3, 1e-2]]], float)
    parts, origin = subdivided(whole, 3e-3)

    def area(t: np.ndarray) -> np.ndarray:
        return np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])[:, 2] / 2

    assert area(parts).min() > 0
    np.testing.assert_allclose([area(parts[origin == n]).sum() for n in (0, 1)], area(whole))
    assert np.linalg.norm(np.roll(parts, -1, axis=1) - parts, axis=2).max() <= 3e-3
    np.testing.assert_allclose(parts[..., 2], 1e-2 * np.broadcast_to(origin[:, None], parts.shape[:2]))
    assert (origin == 1).sum() == 1
    assert len(subdivided(whole, 1e-5, most=50)[0]) <= 50


def test_disc_shows_its_marks_and_range():
    """Oracle: z = 1 - rho^2: the pole lies in the middle, the equator on the rim."""
    weights = np.diag([1.0, 2.0, 3.0])
    drawn = disc(lambda u: np.einsum("ni,ij,nj->n", u, weights, u), "power", "W", [Mark((0, 0, -1), "worst")])
    assert 'cx="150.0" cy="146.0" r="6" fill="#20c0ff"' in drawn
    assert "1.0 to 3.0" in drawn or "1.00 to 3.00" in drawn
    table = np.add.outer(np.linspace(-1, 1, 5), 10 * np.linspace(-1, 1, 5))
    u = np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0], [0, 0, -1]])
    np.testing.assert_allclose(from_disc(table, u), [0, 1, -10, 0], atol=1e-6)


def test_line_chart_leaves_out_what_it_cannot_draw():
    """Oracle: no value that is not finite or not positive on a logarithmic axis; nothing at all without points."""
    chart = line_chart(
        [Curve("a<b", [1, 10, 100], [1, np.nan, 3]), Curve("log", [0, 1], [0, 2])],
        "x",
        "y",
        log_x=True,
        log_y=True,
        levels=[("two", 2.0), ("hundred", 100.0)],
    )
    assert "nan" not in chart
    assert "a&lt;b" in chart
    assert "two" in chart
    assert "hundred" not in chart
    assert line_chart([Curve("", [0], [1])], "x", "y", log_x=True) == ""
