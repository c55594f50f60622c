"""Figures for papers: the right slice in the right view, with unit, colour bar, scale bar and peak.

Oracle: the pixels of the figure beside the map's own array; lengths in mm from the axes' own transformation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from emdose.dosimetry.sar import SarMap
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.report.maps import paper
from emdose.report.maps.map_set import MapSet
from emdose.report.maps.volumes import Layer

GRID = Grid((9, 8, 7), (2e-3, 3e-3, 4e-3), (-0.1, 0.02, 0.05))
PEAK = (5, 2, 3)


def maps() -> MapSet:
    rng = np.random.default_rng(3)
    labels = np.zeros(GRID.shape, int)
    labels[1:-1, 1:-1, 1:-1] = rng.integers(1, 3, (7, 6, 5))
    sar, b1 = rng.uniform(0.1, 1, GRID.shape), rng.uniform(1e-6, 2e-6, GRID.shape)
    sar[0, 0, 0] = 9.0  # outside the body: neither drawn nor the peak
    sar[PEAK] = 4.0
    sar[2, 2, 3] = np.nan
    layers = [Layer("b1plus", "B1+ magnitude", "µT", b1, 1e6, "viridis"), Layer("sar10g", "SAR 10 g", "W/kg", sar)]
    return MapSet(GRID, labels, {1: "muscle", 2: "fat"}, layers, "sar10g")


def panels(figure: Figure) -> list[Any]:
    return [a for a in figure.axes if a.images]


@pytest.mark.parametrize(
    ("plane", "cut", "ends"),
    [
        ("axial", np.s_[1:-1, 1:-1, PEAK[2]], "RLAP"),
        ("coronal", np.s_[1:-1, PEAK[1], 1:-1], "RLSI"),
        ("sagittal", np.s_[PEAK[0], 1:-1, 1:-1], "APSI"),
    ],
)
def test_the_slice_through_the_peak_in_radiological_view(plane: str, cut: Any, ends: str) -> None:
    held = maps()
    (panel,) = panels(paper.figure(held, plane))
    shown = panel.images[0].get_array().T  # with a margin of one voxel of background
    expected = held.layers[1].value[cut]
    np.testing.assert_array_equal(shown[1:-1, 1:-1].compressed(), expected[np.isfinite(expected)])
    assert shown.mask[0].all()
    low, high = panel.get_xlim()
    assert low > high  # the patient's right, or anterior, on the left
    letters = [t for t in panel.texts if len(t.get_text()) == 1]
    assert "".join(t.get_text() for t in letters) == ends
    assert [t.xy for t in letters] == [(0.0, 0.5), (1.0, 0.5), (0.5, 1.0), (0.5, 0.0)]


def test_unit_scale_bar_and_peak() -> None:
    figure = paper.figure(maps())
    (panel,) = panels(figure)
    (bar,) = [a for a in figure.axes if not a.images]
    assert bar.get_ylabel() == "SAR 10 g [W/kg]"
    assert panel.images[0].get_clim() == (0.0, 4.0)
    line = next(one for one in panel.lines if one.get_label() == "scale bar")
    length = float(np.abs(np.ptp(line.get_xdata())))
    assert f"{length:g} mm" in [t.get_text() for t in panel.texts]
    assert length in (1, 2, 5, 10)
    mark = next(one for one in panel.lines if str(one.get_label()).startswith("peak"))
    assert mark.get_label() == "peak 4.00 W/kg"
    where = [1e3 * GRID.centres(a)[PEAK[a]] for a in (0, 1)]
    np.testing.assert_allclose([mark.get_xdata()[0], mark.get_ydata()[0]], where)


def test_every_edge_between_tissues_is_a_line() -> None:
    """Oracle: the neighbours that differ, counted one by one."""
    held = maps()
    cut = np.pad(held.labels[:, :, PEAK[2]], 1)
    count = sum(int((np.diff(cut, axis=a) != 0).sum()) for a in (0, 1))
    (panel,) = panels(paper.figure(held))
    (lines,) = [c for c in panel.collections if isinstance(c, LineCollection)]
    assert len(lines.get_segments()) == count
    assert not panels(paper.figure(held, outlines=False))[0].collections


def test_several_planes_share_one_scale_and_fit_the_page() -> None:
    """Oracle: the width asked for, millimetres per inch of every panel alike, and no text beyond the figure."""
    figure = paper.figure(maps(), ["axial", "coronal", "sagittal"], "B1+ magnitude", width_mm=120)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(120)
    scales = [a.transData.transform([[1, 0], [0, 0]]) for a in panels(figure)]
    lengths = [float(abs(s[0, 0] - s[1, 0])) for s in scales]
    np.testing.assert_allclose(lengths, lengths[0])
    box = figure.get_tightbbox()
    wide, high = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= wide
    assert box.y1 <= high


def test_values_are_drawn_like_maps_of_a_run() -> None:
    held = maps()
    density = np.where(held.labels != 0, 1e3, 0.0)
    value = np.where(held.labels != 0, np.nan_to_num(held.layers[1].value), np.nan)
    (panel,) = panels(paper.figure(SarMap(value, "linear", GRID, density), "coronal"))
    shown = panel.images[0].get_array().T[1:-1, 1:-1]
    np.testing.assert_array_equal(shown.filled(-1), np.nan_to_num(held.layers[1].value)[1:-1, PEAK[1], 1:-1])


def test_a_place_without_the_peak_has_no_ring() -> None:
    (panel,) = panels(paper.figure(maps(), "axial", at_m=0.069))
    assert "axial, z = 68.0 mm" in panel.get_title()
    assert not [one for one in panel.lines if str(one.get_label()).startswith("peak")]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("diagonal",), "plane"),
        (((),), "plane"),
        (("axial", "sar3g"), "quantity"),
        (("axial", None, 1.0), "at_m"),
        ((("axial", "coronal"), None, 0.06), "at_m"),
    ],
)
def test_what_cannot_be_drawn_is_told(arguments: tuple[Any, ...], field: str) -> None:
    """Oracle: the field that is wrong."""
    plane, quantity, at_m = (*arguments, None, None)[:3]
    with pytest.raises(InputError, match=field):
        paper.figure(maps(), plane, quantity, at_m=at_m)
