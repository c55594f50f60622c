"""Coils from files: the same coil comes back by every route, and what is none is refused in one line."""

from __future__ import annotations

import re
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_grid.coil_raster import rasterise

SQUARE = np.array([[-40, -40, 150], [40, -40, 150], [40, 40, 150], [-40, 40, 150], [-40, -40, 150]], float)  # mm


@pytest.fixture
def write(tmp_path):
    def write(text, name="coil.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def table(points=SQUARE, head="x_mm,y_mm,z_mm", separator=",", factor=1.0):
    rows = (separator.join(f"{factor * c:.9g}" for c in p) for p in points)
    return "\n".join([*([head] if head else []), *rows]) + "\n"


def refused(path, **more):
    with pytest.raises(InputError) as error:
        em.read_coil(path, **more)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("coil", [em.LoopArray(5, coverage=1.2), em.Birdcage(8)], ids=["loops", "birdcage"])
@pytest.mark.parametrize("suffix", [".csv", ".vtp"])
def test_a_coil_that_was_written_is_read_back(coil, suffix, tmp_path):
    """Oracle: the coil itself; millimetres cost a bit or two of a coordinate."""
    path = em.write_coil(coil, tmp_path / f"coil{suffix}")
    back = em.read_coil(path)
    assert back.ports == coil.ports
    near = np.linalg.norm(back.segments[:, None] - coil.segments[None], axis=-1).sum(-1)
    turned = np.linalg.norm(back.segments[:, None, ::-1] - coil.segments[None], axis=-1).sum(-1)
    order, sign = np.minimum(near, turned).argmin(1), np.where(near.min(1) < turned.min(1), 1, -1)
    assert np.minimum(near, turned).min(1).max() < 1e-15
    assert sorted(order) == list(range(len(coil.segments)))
    np.testing.assert_allclose(back.currents, coil.currents[:, order] * sign, atol=1e-12)
    if suffix == ".vtp":
        for name, weights in coil.drives.items():
            np.testing.assert_allclose(back.drives[name], weights, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "text", "more"),
    [
        ("points.csv", table(), {}),
        ("semicolons.csv", table(head="x [mm];y [mm];z [mm]", separator=";"), {}),
        ("ports.txt", table(head="# unit: cm\nx y z", separator=" ", factor=0.1), {}),
        ("plain.txt", "Curve 1\n" + table(head="", separator="  "), {"unit": "mm"}),
        ("plain.dat", table(head="", separator=",", factor=1e-3), {"unit": "m"}),
        ("open.pts", table(SQUARE[:-1], head="", separator=" "), {"unit": "mm", "closed": True}),
        ("pieces.csv", table(np.hstack([SQUARE[:-1], SQUARE[1:]]), "x1_mm,y1_mm,z1_mm,x2_mm,y2_mm,z2_mm"), {}),
        ("ends.txt", table(np.hstack([SQUARE[:-1], SQUARE[1:]]), head="", separator=" "), {"unit": "mm"}),
    ],
    ids=lambda v: v if isinstance(v, str) and "." in v and "\n" not in v else "",
)
def test_text_in_every_form_is_the_same_loop(name, text, more, write):
    """Oracle: the square that was written."""
    coil = em.read_coil(write(text, name), **more)
    np.testing.assert_allclose(coil.segments, 1e-3 * np.stack([SQUARE[:-1], SQUARE[1:]], axis=1), atol=1e-15)
    np.testing.assert_array_equal(coil.currents, np.ones((1, 4)))
    assert list(coil.drives) == ["unit"]


def test_lines_of_vtk_carry_ports_and_currents(tmp_path):
    """Oracle: what another program wrote."""
    pv = pytest.importorskip("pyvista")
    second = SQUARE + np.array([0, 0, 30])
    mesh = pv.PolyData(np.concatenate([SQUARE, second]), lines=[5, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9])
    mesh.cell_data["port"] = np.array([1, 2])
    mesh.cell_data["current_A"] = np.array([2.0, 3.0])
    mesh.cell_data["phase_deg"] = np.array([0.0, 90.0])
    mesh.save(str(tmp_path / "pair.vtk"))
    coil = em.read_coil(tmp_path / "pair.vtk", unit="mm")
    assert coil.ports == ("port 1", "port 2")
    np.testing.assert_allclose(coil.currents, np.kron(np.eye(2), np.ones(4)) * [[2], [3j]], atol=1e-15)
    assert "not stated" in refused(tmp_path / "pair.vtk")


def test_currents_and_turns(write):
    """Oracle: amplitude and phase as written; the coil turned by a quarter about x, y to z."""
    rows = [f"A,{x},{y},{z},2,90" for x, y, z in SQUARE]
    coil = em.read_coil(write("port,x_mm,y_mm,z_mm,current_A,phase_deg\n" + "\n".join(rows)), rotate_deg=(90, 0, 0))
    np.testing.assert_array_equal(coil.currents, np.full((1, 4), 2j))
    np.testing.assert_allclose(coil.segments[:, 0], 1e-3 * SQUARE[:-1][:, [0, 2, 1]] * [1, -1, 1], atol=1e-15)


def test_a_cage_of_currents_in_a_table_is_the_birdcage(write, tmp_path):
    """Oracle: the field of em.Birdcage at random points; a ring and rungs share their corners."""
    from emdose.solvers.yee_grid.incident import field_at

    coil = em.Birdcage(8, radius_m=0.12, length_m=0.2)
    back = em.read_coil(em.write_coil(coil, tmp_path / "cage.csv", unit="cm"))
    points = np.random.default_rng(1).uniform(-0.06, 0.06, (5, 3))
    for one, other in zip(field_at(back, points, 64e6), field_at(coil, points, 64e6), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(other).max())


def test_the_tables_of_the_guide(write):
    """Oracle: what the guide says about them."""
    page = (Path(__file__).parents[3] / "docs" / "guide" / "your-own-coil.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^ {4}\S.*\n)+", page, re.M)
    wires, gaps = (
        next(textwrap.dedent(b) for b in blocks if b.strip().startswith(head)) for head in ("port,x", "conductor,x")
    )
    coil = em.read_coil(write(wires))
    assert coil.ports == ("left",)
    assert len(coil.segments) == 3
    turn = np.radians(np.arange(0, 361, 5))
    ring = "conductor,x_mm,y_mm,z_mm\n" + "".join(f"ring,{120 * np.cos(a)},{120 * np.sin(a)},80\n" for a in turn)
    metal = em.read_coil(write(ring), gaps=write(gaps, "gaps.csv"))
    assert [e.capacitance_F for e in metal.elements] == pytest.approx([18e-12, 18e-12])
    assert metal.ports == ("feed 1",)


def test_a_shield_around_it(tmp_path, square):
    """Oracle: the shield that was given, in what the run will show of it too; one that is too small."""
    path = em.write_coil(em.LoopArray(4), tmp_path / "array.csv")
    rows = [{"segment": 1, "feed": "feed"}]
    for coil in (
        em.read_coil(path, shield=em.Shield(0.2, 0.3)),
        em.read_coil(square, gaps=rows, shield=em.Shield(0.2, 0.4)),
    ):
        assert coil.shield.radius_m == coil.parameters["shield_radius_m"] == 0.2
    for where, more in ((path, {}), (square, {"gaps": rows})):
        assert "coil touches its shield" in refused(where, shield=em.Shield(0.05, 0.3), **more)


def test_named_drives_of_a_table(write, tmp_path):
    """Oracle: the numbers of the table."""
    path = em.write_coil(em.LoopArray(4), tmp_path / "array.csv")
    drives = write("drive,port,amplitude,phase_deg\nshim,loop 1,1,0\nshim,loop 3,0.5,-90\n", "drives.csv")
    coil = em.read_coil(path, drives=drives)
    np.testing.assert_allclose(coil.drives["shim"], [1, 0, -0.5j, 0], atol=1e-15)
    wrong = write("drive,port\nshim,lop 1\n", "drives.csv")
    assert "drives.csv: line 2: unknown port" in refused(path, drives=wrong)
    assert "did you mean 'loop 1'" in refused(path, drives=wrong)


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("", {}, "empty file"),
        (table(head="x,y,z"), {}, "the unit of the coordinates is not stated; found 'extent 80 x 80 x 0'"),
        (table(), {"unit": "m"}, "two units for one file"),
        (table(head="x,y,z"), {"unit": "m"}, "a coil of 80 m: wrong unit?"),
        (table(head="x,y,z"), {"unit": "um"}, "a coil of 0.08 mm: wrong unit?"),
        (table(head="x,y,z"), {"unit": "mile"}, "unknown unit of length"),
        (table(head="x_mm,y_mm,z_cm"), {}, "columns of two units"),
        (table(head="x_mm,y_mm,zz"), {}, "did you mean 'z'?"),
        ("prot,x_mm,y_mm,z_mm\nA,0,0,0\n", {}, "line 1: unknown column; found 'prot'"),
        ("x_mm,y_mm,x_mm\n0,0,0\n", {}, "column given twice"),
        ("port,x_mm,y_mm\nA,0,0\n", {}, "z: missing column"),
        (table() + "1,2\n", {}, "line 7: row does not fit the columns"),
        (table() + "1,2,nan\n", {}, "line 7, z: not a finite number"),
        (table() + "1,2,three\n", {}, "line 7, z: not a finite number; found 'three'"),
        ("0 0 0\n1 0 0\n0 x 0\n", {"unit": "m"}, "line 3: not three numbers"),
        ("0 0 0\n1 0 0\n0 1\n", {"unit": "m"}, "line 3: not three finite numbers"),
        ("only words here\n", {"unit": "m"}, "no points in this file"),
        (table([*SQUARE[:2], SQUARE[1], *SQUARE[2:]]), {}, "line 4: two points of 'curve 1' coincide"),
        (table(SQUARE[:-1]), {}, "line 2: currents of port 'coil' do not close at (-40, -40, 150) mm"),
        (table(SQUARE[:-1]), {}, "ends 80 mm from where it began"),
        ("x_mm,y_mm,z_mm\n0,0,0\n\n0,90,0\n9,9,9\n", {}, "line 2: conductor 'curve 1' has one point"),
        ("port,x_mm,y_mm,z_mm\nA,0,0,0\nA,90,0,0\nA,0,90,0\nA,0,0,0\n,0,0,9\n,9,0,9\n", {}, "conductor without a port"),
        (table(head="x_mm,y_mm,z_mm,current_A").replace(",150", ",150,0"), {}, "port 'coil' has no current"),
        (table(), {"wire_radius_m": 1e-3}, "wire_radius_m: only a coil of metal has it"),
    ],
)
def test_bad_tables_are_refused(text, more, said, write):
    """Oracle: the contract: one line with file, row, what was found and what was expected."""
    message = refused(write(text), **more)
    assert said in message
    assert "coil.csv" in message or more


def test_other_bad_files(tmp_path):
    """Oracle: the contract."""
    assert "no such file" in refused(tmp_path / "missing.csv", unit="mm")
    (tmp_path / "coil.step").write_text("x")
    assert "unknown kind of coil file" in refused(tmp_path / "coil.step", unit="mm")
    (tmp_path / "coil.vtp").write_bytes(b"<VTKFile>")
    assert "coil.vtp" in refused(tmp_path / "coil.vtp", unit="mm")
    (tmp_path / "coil.csv").write_bytes(b"\xff\xfe\x00")
    assert "not a text file" in refused(tmp_path / "coil.csv", unit="mm")


GAPS = "segment,capacitance_pF,resistance_ohm,feed\n1,10,0.2,feed\n3,10,0.2,\n"


@pytest.fixture
def square(write):
    return write(table(), "square.csv")


def test_gaps_make_metal(square, write):
    """Oracles: the ready-made loop with the same capacitors, on one grid edge for edge; gaps given by mappings."""
    coil = em.read_coil(square, gaps=write(GAPS, "gaps.csv"), wire_radius_m=1e-3, gap_m=0.01)
    ready = em.CapacitorLoop(size_m=(0.08, 0.08), capacitors=2, gap_m=0.01, centre_m=(0, 0, 0.15))
    grid = RectilinearGrid(*(np.arange(-0.06, 0.0601, 0.01) + c for c in (0.0, 0.0, 0.15)))
    one, other = rasterise(coil, grid), rasterise(ready, grid)
    np.testing.assert_array_equal(one.pec, other.pec)
    places = [{tuple(e) for g in r.gaps for e in g.edges} for r in (one, other)]
    assert places[0] == places[1]
    assert coil.elements[0].capacitance_F == pytest.approx(10e-12)
    assert [f.name for f in coil.feeds] == ["feed"]
    rows = [
        {"x": 0, "y": -40, "z": 150, "capacitance_F": 10e-12, "resistance_ohm": 0.2, "feed": "feed"},
        {"segment": 3, "capacitance_F": 10e-12, "resistance_ohm": 0.2},
    ]
    again = em.read_coil(square, gaps=rows, wire_radius_m=1e-3, gap_m=0.01)
    assert again.feeds == coil.feeds
    np.testing.assert_array_equal(rasterise(again, grid).pec, one.pec)


def cage_text(rungs, radius, half):
    """Rings and rungs of a high-pass cage [mm]; rings of chords of 1.5 degrees, as the ready-made one has them."""
    turn = np.radians(np.arange(0, 360.1, 1.5))
    lines = ["conductor,x_mm,y_mm,z_mm"]
    for name, z in (("top", half), ("bottom", -half)):
        lines += [f"{name},{radius * np.cos(a):.12g},{radius * np.sin(a):.12g},{z}" for a in turn]
    for n in range(rungs):
        c, s = (radius * f(2 * np.pi * n / rungs) for f in (np.cos, np.sin))
        lines += [f"rung {n + 1},{c:.12g},{s:.12g},{z}" for z in (-half, half)]
    gaps = ["conductor,x_mm,y_mm,z_mm,gap_mm,capacitance_pF,feed"]
    for name, z in (("top", half), ("bottom", -half)):
        for n in range(rungs):
            a = 2 * np.pi * (n + 0.5) / rungs
            feed = {0: "feed 1", rungs // 4: "feed 2"}.get(n, "") if name == "top" else ""
            gaps += [f"{name},{radius * np.cos(a):.9g},{radius * np.sin(a):.9g},{z},5,20,{feed}"]
    return "\n".join(lines), "\n".join(gaps)


def test_a_cage_of_polylines_is_the_birdcage(write):
    """Oracles: the ready-made birdcage on one grid, edge for edge; its tuning; its quadrature drive."""
    lines, gaps = cage_text(8, 100.0, 80.0)
    cage = em.read_coil(write(lines, "cage.csv"), gaps=write(gaps, "gaps.csv"))
    ready = em.CircuitBirdcage(rungs=8, radius_m=0.1, length_m=0.16)
    grid = RectilinearGrid(*(np.arange(-0.12, 0.121, 0.01) for _ in range(3)))
    with pytest.warns(em.EmdoseWarning, match="shorter than half a cell"):
        one = rasterise(cage, RectilinearGrid(*(np.arange(-0.12, 0.121, 0.012) for _ in range(3))))
    one, other = rasterise(cage, grid), rasterise(ready, grid)
    np.testing.assert_array_equal(one.pec, other.pec)
    mine, theirs = (em.tune(c, 64e6) for c in (cage, ready))
    value = next(iter(mine.capacitances_F.values()))
    assert value == pytest.approx(next(iter(theirs.capacitances_F.values())), rel=1e-3)
    quadrature = cage.drives["circular"] / cage.drives["circular"][0]
    np.testing.assert_allclose(quadrature, ready.drives["quadrature"], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("segment,feed\n9,f\n", "line 2: gap 'at f' on no segment of 'curve 1'; found 9; expected 1 to 4"),
        ("segment,feed\n1.5,f\n", "line 2, segment: not a whole number"),
        ("x,y,z,feed\n0,0,0,f\n", "on no conductor; found '155.2 mm from 'curve 1''"),
        ("x,y,feed\n0,0,f\n", "a place without all of x, y, z"),
        ("feed\nf\n", "without one place; expected either x, y, z or a segment"),
        ("segment,feed,capacitance_pF\n1,,\n", "nothing in gap 'C1'"),
        ("segment,capacitance_pF\n1,10\n", "a coil without a feed"),
        ("segment,conductor,feed\n1,curv 1,f\n", "did you mean 'curve 1'?"),
        ("segment,feed\n1,f\n1,g\n", "line 3: gaps 'at f' and 'at g' overlap"),
        ("segment,feed\n1,f\n2,f\n", "line 3: two gaps with one feed"),
        ("segment,feed,gap_mm\n1,f,400\n", "is as long as its conductor"),
        ("segment,feed,capacitance_pF\n1,f,-3\n", "line 2, capacitance_pF: must be positive"),
        ("segment,feed,capacitance_pF,capacitance_F\n1,f,3,3e-12\n", "one value twice"),
        ("segment,feed,capacitance\n1,f,3\n", "did you mean 'capacitance_F'"),
    ],
)
def test_bad_gaps_are_refused(square, text, said, write):
    """Oracle: the contract."""
    message = refused(square, gaps=write(text, "gaps.csv"))
    assert said in message
    assert "gaps.csv" in message


def test_strips_lie_flat_around_the_axis(write):
    """Oracle: a strip along z at x = 100 mm spreads along y; one normal for all; no normal on the axis."""
    loop = "x_mm,y_mm,z_mm\n100,0,-50\n100,0,50\n100,60,50\n100,60,-50\n100,0,-50\n"
    gaps = [{"segment": 2, "feed": "f"}]
    coil = em.read_coil(write(loop), gaps=gaps, strip_width_m=0.01)
    spread = coil.conductors[0].sheets[0][2][-1]
    assert abs(spread[0]) < 3e-3
    flat = em.read_coil(write(loop), gaps=gaps, strip_width_m=0.01, strip_normal=(1, 0, 0))
    assert np.allclose(flat.conductors[0].normal, (1, 0, 0))
    across = "x_mm,y_mm,z_mm\n-50,0,0\n50,0,0\n0,50,0\n-50,0,0\n"
    assert "towards or through the z axis" in refused(write(across), gaps=gaps, strip_width_m=0.01)
    assert "strips and wires at once" in refused(write(loop), gaps=gaps, strip_width_m=0.01, wire_radius_m=1e-3)


def flat_coil():
    """A loop of strips over a plate, with a parallel circuit and a feed of its own."""
    square = [(0.04, 0.04, 0), (0.04, -0.04, 0), (-0.04, -0.04, 0), (-0.04, 0.04, 0), (0.04, 0.04, 0)]
    c = em.conductors
    trap = c.LumpedElement("trap", (0.005, -0.04, 0), (-0.005, -0.04, 0), None, 1e-9, 1e-11, "parallel")
    feed = c.FeedPort("in", (0.005, 0.04, 0), (-0.005, 0.04, 0), 75.0)
    metal = [c.Strip(square, 0.004, (0, 0, 1)), c.Plate((-0.1, -0.1, 0.05), (0.2, 0, 0), (0, 0.2, 0))]
    return em.CircuitCoil("flat", metal, [trap], [feed], {"mine": [2j]})


@pytest.mark.usefixtures("meshes_read_here")
@pytest.mark.parametrize(
    "coil",
    [em.CapacitorLoopArray(4, wire_radius_m=1e-3), em.CircuitBirdcage(8), flat_coil()],
    ids=["loops", "cage", "flat"],
)
def test_metal_that_was_written_is_read_back(coil, tmp_path):
    """Oracle: the coil itself, to the last bit in metres; the same edges of a grid."""
    path = em.write_coil(coil, tmp_path / "coil.vtp", unit="m")
    back = em.read_coil(path)
    assert back.elements == coil.elements
    assert back.feeds == coil.feeds
    assert back.drives.keys() == coil.drives.keys()
    for name in coil.drives:
        np.testing.assert_array_equal(back.drives[name], coil.drives[name])
    grid = RectilinearGrid(*(np.arange(-0.2, 0.201, 0.01) for _ in range(3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about gaps and strips below half a cell, for both alike
        one, other = rasterise(back, grid), rasterise(coil, grid)
    np.testing.assert_array_equal(one.pec, other.pec)
    turned = em.read_coil(path, rotate_deg=(0, 0, 90), name="turned", shield=em.Shield(0.19, 0.4))
    np.testing.assert_allclose(turned.feeds[0].start_m[0], -coil.feeds[0].start_m[1], atol=1e-15)
    assert "elements of its own" in refused(path, gaps=[])
    strips = em.CircuitBirdcage(8, strip_width_m=0.01)
    assert "cannot be read back; found 'sheet'" in refused(em.write_coil(strips, tmp_path / "strips.vtp"))


def test_metal_is_written_for_pictures(tmp_path):
    """Oracle: the conductors and gaps of the coil, read by VTK; what cannot be written says so."""
    pv = pytest.importorskip("pyvista")
    coil = em.CircuitBirdcage(rungs=8)
    mesh = pv.read(em.write_coil(coil, tmp_path / "cage.vtp", unit="m"))
    assert mesh.n_lines == len(coil.conductors) + len(coil.elements) + len(coil.feeds)
    assert np.count_nonzero(mesh.cell_data["capacitance_F"]) == 16
    np.testing.assert_allclose(mesh.bounds[:4], np.ravel(np.array(coil.extent_m).T)[:4], atol=1e-12)
    for source, name in ((coil, "a.csv"), (em.LoopArray(2), "a.stl"), (em.PlaneWave(), "a.vtp")):
        with pytest.raises(InputError):
            em.write_coil(source, tmp_path / name)
