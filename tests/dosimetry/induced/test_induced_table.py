"""Induced fields per tissue: percentiles, cubes and lines beside sums by hand."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry.induced.local import LocalMeans, directions, magnitude, weights
from emdose.models import UniformField
from emdose.models.bodies import gel_box
from emdose.solvers.results.induced import InducedField

RNG = np.random.default_rng(6)


def made(h: float, shape: tuple[int, int, int], *, kind: type = float, empty: float = 0.0) -> InducedField:
    """A body of two tissues in slabs with holes, and random fields of two sources."""
    table = em.TissueTable.default()
    labels = np.ones(shape, np.uint8)
    labels[:, shape[1] // 2 :] = 2
    labels[RNG.random(shape) < empty] = 0
    air = gel_box(5e-3, (0.02, 0.02, 0.02)).tissues[0]
    phantom = em.Phantom(
        grid=em.Grid(shape, h), labels=labels, tissues=(air, table["muscle"], table["fat"]), name="slabs"
    )
    cells = np.flatnonzero(labels)
    E = RNG.normal(size=(2, 3, cells.size)).astype(np.float32)
    if kind is complex:
        E = (E + 1j * RNG.normal(size=E.shape)).astype(np.complex64)
    sources = tuple(em.Switched(UniformField(), "T/s") for _ in range(2))
    ones, zeros = np.ones(cells.size, np.float32), np.zeros(2)
    return InducedField(phantom, sources, 1e3, cells, E, ones, np.zeros(cells.size, np.int32), zeros, 1, zeros, {})


@pytest.mark.parametrize(
    ("length", "h", "wanted"),
    [
        (2e-3, 2e-3, [1]),
        (2e-3, 5e-3, [1]),
        (2e-3, 1e-3, [1, 0.5]),
        (2e-3, 1.5e-3, [1, 1 / 6]),
        (2e-3, 0.5e-3, [1, 1, 0.5]),
        (5e-3, 2e-3, [1, 0.75]),
        (5e-3, 1e-3, [1, 1, 1]),
        (5e-3, 0.5e-3, [1] * 5 + [0.5]),
    ],
)
def test_voxels_count_with_the_part_inside(length: float, h: float, wanted: list[float]) -> None:
    assert weights(length, h) == pytest.approx(wanted)
    if length > h:
        assert 2 * weights(length, h).sum() - 1 == pytest.approx(length / h)


def test_cube_is_the_overlap_of_every_voxel_by_hand() -> None:
    """Oracle: overlaps of boxes in a loop over all pairs of voxels of one tissue."""
    field = made(1.5e-3, (5, 6, 4), empty=0.2)
    planes, points, labels = field.E[0], field.points_m, field.labels
    found = LocalMeans(field, "cpu").cube(planes)
    for i in range(0, len(points), 7):
        low = np.maximum(points - 0.75e-3, points[i] - 1e-3)
        high = np.minimum(points + 0.75e-3, points[i] + 1e-3)
        w = np.prod(np.maximum(high - low, 0.0), axis=1) * (labels == labels[i])
        assert found[:, i] == pytest.approx(planes @ w / w.sum(), rel=1e-5, abs=1e-6)


def test_line_along_axes_ends_with_the_tissue_by_hand() -> None:
    """Oracle: a walk from every voxel in a loop, on voxels of 2 mm: weights 1 and 0.75."""
    field = made(2e-3, (5, 6, 4), empty=0.2)
    E, labels = field.map(field.E[0]), field.phantom.labels
    found = LocalMeans(field, "cpu").lines(field.E[0], np.zeros_like(field.E[0]))
    for i in range(0, field.cells.size, 5):
        at = np.unravel_index(field.cells[i], labels.shape)
        largest = 0.0
        for axis in range(3):
            total, weight = float(E[(axis, *at)]), 1.0
            for side in (-1, 1):
                to = list(at)
                to[axis] += side
                if 0 <= to[axis] < labels.shape[axis] and labels[tuple(to)] == labels[at]:
                    total, weight = total + 0.75 * float(E[(axis, *to)]), weight + 0.75
            largest = max(largest, abs(total) / weight)
        assert found[i] == pytest.approx(largest, rel=1e-5)


def test_linear_field_is_its_own_average() -> None:
    """Oracle: E = r x dB/dt / 2 of a ball in a uniform field; its averages are its values there."""
    field = made(1e-3, (15, 15, 15))
    rate = 0.5 * np.cross(field.points_m - field.points_m.mean(0), (0, 0, 1)).T
    uniform = np.ascontiguousarray(rate, np.float32)
    means = LocalMeans(field, "cpu")
    deep = np.all(np.abs(field.points_m - field.points_m.mean(0) + np.array([0, 4e-3, 0])) < 2.1e-3, axis=1)
    assert deep.sum() > 20
    assert means.cube(uniform)[:, deep] == pytest.approx(uniform[:, deep], abs=1e-8)
    line = means.lines(uniform, directions(uniform))
    # Along its own direction the field does not change: the average is its size.
    assert line[deep] == pytest.approx(magnitude(uniform)[deep], rel=0.02)


def test_percentiles_and_the_largest_of_drives() -> None:
    """Oracle: NumPy's percentiles of every drive by itself."""
    field = made(2e-3, (9, 10, 11), empty=0.1)
    drives = [(1.0, 2.0), (-3.0, 0.5)]
    got = em.induced_table(field, drives)
    sizes = [np.linalg.norm(field.combined(d), axis=0) for d in drives]
    for name, on in (("all tissues", field.labels > 0), ("muscle", field.labels == 1), ("fat", field.labels == 2)):
        row = got.row(name)
        assert row.voxels == on.sum()
        assert row.volume_m3 == pytest.approx(on.sum() * 8e-9)
        for key, q in (("max", 100), ("p99", 99), ("p999", 99.9)):
            wanted = max(np.percentile(s[on], q) for s in sizes)
            assert getattr(row.voxel, key) == pytest.approx(wanted, rel=1e-5)
        assert row.cube == row.voxel
        k = int(np.argmax([s[on].max() for s in sizes]))
        assert row.drives[0].max == k
        assert row.place_m == pytest.approx(field.points_m[on][sizes[k][on].argmax()])
        assert row.staircase == pytest.approx(row.voxel.max / row.voxel.p999)
        assert row.inside_max <= row.voxel.max
        assert row.line.max <= row.voxel.max * (1 + 1e-6)
        for key, q in (("p99", 99), ("p999", 99.9)):
            assert getattr(row.drives[0], key) == int(np.argmax([np.percentile(s[on], q) for s in sizes]))
    assert any("not smaller than 2 mm" in n for n in got.notes)


def test_phasors_have_the_peak_of_their_ellipse() -> None:
    """Oracle: the largest length over 3 600 phases."""
    field = made(1e-3, (6, 6, 6), kind=complex)
    E = field.combined((1.0, 0.5j))
    phases = np.exp(2j * np.pi * np.arange(3600) / 3600)
    wanted = np.max([np.linalg.norm((E * p).real, axis=0) for p in phases], axis=0)
    planes = np.concatenate([E.real, E.imag]).astype(np.float32)
    assert magnitude(planes) == pytest.approx(wanted, rel=1e-5)
    along = directions(planes)
    assert np.abs(np.einsum("cm,cm->m", along, E)) == pytest.approx(wanted, rel=1e-3)
    got = em.induced_table(field, (1.0, 0.5j))
    assert got.row("all tissues").voxel.max == pytest.approx(wanted.max(), rel=1e-5)
    assert got.row("all tissues").cube.max < got.row("all tissues").voxel.max


def test_inside_leaves_out_what_touches_air() -> None:
    field = made(2e-3, (5, 5, 5))
    inside = LocalMeans(field, "cpu").inside(field)
    assert inside.sum() == 27
    assert field.points_m[inside].min() > field.points_m.min()


def test_regions_and_a_second_grid() -> None:
    field = made(2e-3, (6, 6, 6))
    mask = np.zeros((6, 6, 6), bool)
    mask[:2] = True
    got = em.induced_table(field, (1.0, 0.0), regions={"end": mask})
    assert [r.tissue for r in got.rows[:2]] == ["all tissues", "end"]
    assert got.row("end").voxels == 72
    twice = em.induced_table(field, (2.0, 0.0))
    assert twice.beside(got)["muscle"]["voxel.p99"] == pytest.approx(1.0, rel=1e-6)
    assert "end" not in twice.beside(got)
    assert json.loads(json.dumps(got.to_dict()))["rows"][1]["tissue"] == "end"
    assert all(word in str(got) for word in ("muscle", "p99.9", "cube max", "line p99", "max/p99.9"))


def test_bad_input_is_named() -> None:
    field = made(2e-3, (4, 4, 4))
    for arguments, match in (
        (((1.0,),), "drive does not fit"),
        (((1.0, np.nan),), "bad drive"),
        (((1.0, 1.0), ["head"]), "no such region"),
        (((1.0, 1.0), {"x": np.zeros(3, bool)}), "mask does not fit"),
        (((1.0, 1.0), {"x": np.zeros((4, 4, 4), bool)}), "without a voxel"),
    ):
        with pytest.raises(em.InputError, match=match):
            em.induced_table(field, arguments[0], regions=arguments[1] if len(arguments) > 1 else ())
    with pytest.raises(em.InputError, match="no row of this tissue"):
        em.induced_table(field, (1.0, 1.0)).row("bone")
    with pytest.raises(em.InputError, match="voxels too small"):
        LocalMeans(made(5e-5, (4, 4, 4)), "cpu")


def test_all_voxel_shapes_average_constants_to_constants() -> None:
    for h, tall in itertools.product((0.7e-3, 1.1e-3), (1.0, 3.0)):
        field = made(h, (5, 5, 5), empty=0.3)
        ones = np.full_like(field.E[0], tall)
        assert LocalMeans(field, "cpu").cube(ones) == pytest.approx(ones, rel=1e-6)
