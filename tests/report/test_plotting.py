"""Pictures of values: the right slice of the right array, with axes, scale and unit.

Oracle: the pixels of the picture beside the value's own array, and its peak.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_implant import made_up_implant
from matplotlib import pyplot
from matplotlib.figure import Figure

import emdose as em
from emdose.io.maps.labelled import known
from emdose.solvers.results.fields import PowerBalance

GRID = em.Grid((8, 7, 6), (1e-3, 2e-3, 3e-3), (0.1, -0.2, 0.3))
PEAK = (5, 2, 3)


def sar() -> em.SarMap:
    value = np.random.default_rng(1).uniform(0, 1, GRID.shape)
    value[PEAK] = 4.0
    density = np.ones(GRID.shape)
    density[0] = 0
    return em.SarMap(value, "linear", GRID, density)


def fields(ports: int = 1) -> em.Fields:
    rng = np.random.default_rng(2)
    E, B = (rng.normal(size=(ports, 3, *GRID.node_shape)) * (1 + 1j) for _ in range(2))
    one = np.eye(ports, dtype=complex)
    names = tuple("abc"[:ports])
    body = np.ones(GRID.shape, bool)
    return em.Fields(GRID, 128e6, E, 1e-6 * B, body, 1.0, PowerBalance(one, one, one), names, {}, "A", np.zeros(ports))


def panels(figure: Figure) -> list[Any]:
    return [a for a in figure.axes if a.images]


def pixels(figure: Figure, n: int = 0) -> np.ndarray:
    """The picture as an array over (horizontal, vertical)."""
    return panels(figure)[n].images[0].get_array().T


def test_three_slices_go_through_the_peak() -> None:
    figure = em.plot(sar())
    i, j, k = PEAK
    for n, expected in enumerate((sar().value[:, :, k], sar().value[:, j, :], sar().value[i])):
        shown = pixels(figure, n)
        assert shown.shape == expected.shape
        np.testing.assert_array_equal(
            shown.compressed(), expected[~shown.mask] if shown.mask.any() else expected.ravel()
        )
    assert pixels(figure, 0).mask[0].all()  # background
    assert [a.get_title() for a in panels(figure)] == ["z = 310.5 mm", "y = -195 mm", "x = 105.5 mm"]
    assert "peak 4 W/kg at (105.5, -195, 310.5) mm" in figure.get_suptitle()


def test_axes_and_scale_carry_units() -> None:
    figure = em.plot(sar(), axis="y")
    (panel,) = panels(figure)
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("x [mm]", "z [mm]")
    np.testing.assert_allclose(panel.images[0].get_extent(), (100, 108, 300, 318))
    assert "SAR [W/kg]" in [a.get_ylabel() for a in figure.axes]
    assert panel.images[0].get_clim() == (0.0, 4.0)
    assert panel.get_aspect() == 1.0


@pytest.mark.parametrize(("where", "index"), [({"index": 1}, 1), ({"index": -1}, 5), ({"at_m": 0.3121}, 4), ({}, 3)])
def test_the_slice_can_be_chosen(where: dict[str, Any], index: int) -> None:
    shown = pixels(em.plot(sar(), "density", axis="z", **where)) if where else pixels(em.plot(sar(), axis="z"))
    expected = sar().density if where else sar().value
    np.testing.assert_array_equal(shown.filled(0)[1:], expected[1:, :, index])


def test_fields_are_drawn_by_magnitude_and_in_microtesla() -> None:
    f = fields()
    figure = em.plot(f, axis="z", index=2)
    np.testing.assert_allclose(pixels(figure), 1e6 * np.abs(f.b1plus()[0, :, :, 2]))
    assert "B1+ [\u00b5T per A]" in [a.get_ylabel() for a in figure.axes]
    np.testing.assert_allclose(
        pixels(em.plot(f, "E", axis="x", index=0)), np.sqrt((np.abs(f.E_centre()[0, :, 0]) ** 2).sum(0))
    )


def test_one_of_several_ports_is_asked_for() -> None:
    f = fields(2)
    with pytest.raises(em.InputError, match=r"2 ports; expected which=0 to 1 or a name; or .drive"):
        em.plot(f)
    np.testing.assert_allclose(pixels(em.plot(f, which="b", axis="z", index=0)), 1e6 * np.abs(f.b1plus()[1, :, :, 0]))
    np.testing.assert_allclose(pixels(em.plot(f, which=0, axis="z", index=0)), 1e6 * np.abs(f.b1plus()[0, :, :, 0]))
    with pytest.raises(em.InputError, match="unknown port"):
        em.plot(f, which="c")
    with pytest.raises(em.InputError, match="no such port"):
        em.plot(f, which=2)


def test_averages_count_voxels_until_they_know_their_grid() -> None:
    average = em.MassAverage(sar().value, np.ones(GRID.shape, np.uint8), np.ones(GRID.shape), 1e-2)
    assert panels(em.plot(average))[0].get_xlabel() == "x [voxel]"
    figure = em.plot(average, grid=GRID, unit="W/kg")
    assert panels(figure)[0].get_xlabel() == "x [mm]"
    assert "average over 10 g [W/kg]" in [a.get_ylabel() for a in figure.axes]
    with pytest.raises(em.InputError, match="places need a grid"):
        em.plot(average, axis="x", at_m=0.1)


def test_courses_show_their_end_and_any_moment() -> None:
    body = em.phantoms.sphere(0.03, 0.01)
    rise = np.random.default_rng(3).uniform(1, 2, (3, *body.grid.shape))
    times = np.array([1.0, 2.0, 3.0])
    course = em.HeatCourse(body, times, rise, rise.max((1, 2, 3)), np.full(body.grid.shape, 37.0), 1.0, 0.0, 0.0)
    for which, n in ((None, 2), (0, 0)):
        shown = pixels(em.plot(course, axis="z", index=3, which=which))
        np.testing.assert_array_equal(shown.compressed(), rise[n, :, :, 3][body.body[:, :, 3]])
    (line,) = em.plot(course, "peaks_K").axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), course.peaks_K)


def test_tensors_and_networks_are_curves() -> None:
    tensor = made_up_implant().tensor
    axes = em.plot(tensor).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.linalg.eigvalsh(tensor.matrix)[:, -1])
    assert axes.get_ylabel() == "power [W per (T/s)^2]"
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert pixels(em.plot(tensor, "loss_map", which=1)).shape == tensor.grid.shape[:2]
    network = em.Network(np.linspace(1e8, 2e8, 5), np.full((5, 1, 1), 0.1), ["in"])
    np.testing.assert_allclose(em.plot(network).axes[0].lines[0].get_ydata(), -20.0)


def test_tissues_are_named_on_the_scale() -> None:
    body = em.phantoms.layered_head(spacing_m=10e-3)
    figure = em.plot(body, axis="z")
    words = [t.get_text() for a in figure.axes for t in a.get_yticklabels()]
    assert {"skull", "white matter"} <= set(words)


def test_figures_are_not_left_open(tmp_path: Path) -> None:
    before = pyplot.get_fignums()
    figure = em.plot(sar())
    assert pyplot.get_fignums() == before
    figure.savefig(tmp_path / "sar.png")
    assert (tmp_path / "sar.png").stat().st_size > 5000


def test_what_cannot_be_drawn_is_told() -> None:
    with pytest.raises(em.InputError, match="cannot be drawn; found 'Grid'; expected one of B1Map, Fields"):
        em.plot(GRID)
    with pytest.raises(em.InputError, match="unknown quantity"):
        em.plot(sar(), "sar")
    with pytest.raises(em.InputError, match="unknown axis"):
        em.plot(sar(), axis="w")
    with pytest.raises(em.InputError, match="a slice needs its axis"):
        em.plot(sar(), index=3)
    with pytest.raises(em.InputError, match="two places for one slice"):
        em.plot(sar(), axis="x", index=3, at_m=0.1)
    for place in ({"index": 6}, {"at_m": 0.5}):
        with pytest.raises(em.InputError, match="slice outside the grid"):
            em.plot(sar(), axis="z", **place)
    with pytest.raises(em.InputError, match="nothing to choose from"):
        em.plot(sar(), which=1)
    nothing = em.SarMap(np.full(GRID.shape, np.nan), "linear", GRID, np.ones(GRID.shape))
    with pytest.raises(em.InputError, match="nothing to draw"):
        em.plot(nothing)


def test_every_quantity_of_every_value_can_be_drawn() -> None:
    values = [sar(), fields(), made_up_implant().tensor, made_up_implant().phantom]
    for value in values:
        assert type(value).__name__ in known()
        with pytest.raises(em.InputError) as caught:
            em.plot(value, "nothing of the sort")
        names = caught.value.expected.removeprefix("one of ").replace(" or ", ", ").split(", ")  # type: ignore[union-attr]
        for name in names:
            assert isinstance(em.plot(value, name), Figure), name
