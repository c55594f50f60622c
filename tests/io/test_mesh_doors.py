"""Meshes that were damaged on purpose. Oracle: one line and a parent that lives; nothing of other files is read."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import emdose as em
from emdose.compute.child import Ended, Limits
from emdose.io import mesh_process
from emdose.io.gradients.wire_paths import read_wire_paths
from emdose.io.meshes import read_triangles
from emdose.models.implants import surface_repair
from emdose.models.implants.surface_repair import crossing_triangles

HEAD = "# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\n"
TETRA = HEAD + "POINTS 4 float\n0 0 0 10 0 0 0 10 0 0 0 10\nPOLYGONS 4 16\n3 0 2 1\n3 0 1 3\n3 1 2 3\n3 0 3 2\n"
DAMAGED = {
    "points that are not there": TETRA.replace("3 1 2 3", "3 1 2 900000000"),
    "a negative point": TETRA.replace("3 1 2 3", "3 1 2 -900000000"),
    "more corners than numbers": TETRA.replace("3 1 2 3", "900000000 1 2 3"),
    "billions of points": TETRA.replace("POINTS 4", "POINTS 2000000000"),
    "billions of polygons": TETRA.replace("POLYGONS 4 16", "POLYGONS 2000000000 8000000000"),
}


def test_the_file_that_is_damaged_below_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "x.vtk"
    path.write_text(TETRA)
    assert len(read_triangles(path)[1]) == 4


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("reader", ["surface", "lines"])
def test_a_damaged_vtk_file_is_one_line(tmp_path: Path, name: str, reader: str) -> None:
    path = tmp_path / "x.vtk"
    path.write_text(DAMAGED[name].replace("POLYGONS", "LINES") if reader == "lines" else DAMAGED[name])
    with pytest.raises(em.InputError) as caught:
        em.read_implant(path, "gold", unit="mm") if reader == "surface" else read_wire_paths(path, unit="mm")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_come_back_as_they_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.vtk"
    path.write_text(HEAD + "POINTS 5 float\n0 0 0 1 0 0 1 1 0 5 5 5 6 6 6\nLINES 2 7\n3 0 1 2\n2 3 4\n")
    one, two = read_wire_paths(path, unit="m")
    assert one.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert two.tolist() == [[5, 5, 5], [6, 6, 6]]


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (Ended(-11, b"", b""), r"its reader crashed \(SIGSEGV\)"),
        (Ended(1, b"", b"Traceback\nMemoryError: no\n"), r"takes more than 1\.5 GiB"),
        (Ended(-6, b"", b"terminate called: std::bad_alloc"), r"takes more than 1\.5 GiB"),
        (Ended(-9, b"", b"", late=True), "takes more than 60 s"),
        (Ended(1, b"", b"KeyError: 0\n"), r"its reader failed \(code 1\)"),
        (Ended(0, b"no archive", b""), r"its reader failed \(code 0\)"),
    ],
)
def test_the_end_of_a_reader_is_told_in_one_line(tmp_path: Path, monkeypatch, ended: Ended, text: str) -> None:
    path = tmp_path / "x.ply"
    path.write_text("ply\n")
    monkeypatch.setattr(mesh_process.child, "run", lambda *_, **__: ended)
    with pytest.raises(em.InputError, match=text):
        read_triangles(path)


def test_a_reader_has_limits(tmp_path: Path, monkeypatch) -> None:
    given: list[Limits] = []
    monkeypatch.setattr(mesh_process.child, "run", lambda *_, limits, **__: given.append(limits) or Ended(1, b"", b""))
    (tmp_path / "x.obj").write_bytes(bytes(10**6))
    with pytest.raises(em.InputError):
        read_triangles(tmp_path / "x.obj")
    assert given[0].memory_bytes < 2 * 2**30
    assert given[0].seconds < 65


@pytest.mark.parametrize("name", ["../secret.inp", "{folder}/secret.inp", "nested.txt"])
def test_an_abaqus_file_includes_its_own_folder_only(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.inp").write_text("*NODE\n1, 0, 0, 0\n2, 1, 0, 0\n3, 0, 1, 0\n*ELEMENT, TYPE=S3\n1, 1, 2, 3\n")
    (folder / "nested.txt").write_text("*Include, input=../secret.inp\n")
    (folder / "x.inp").write_text(f"*INCLUDE, INPUT={name.format(folder=tmp_path)}\n")
    with pytest.raises(em.InputError, match="names a file elsewhere"):
        read_triangles(folder / "x.inp")


XDMF = """<?xml version="1.0"?><!DOCTYPE Xdmf [<!ENTITY out "{out}">]><Xdmf Version="3.0"><Domain><Grid>
<Geometry GeometryType="XYZ"><DataItem Dimensions="3 3" Format="HDF">{name}:/p</DataItem></Geometry>
<Topology TopologyType="Triangle"><DataItem Dimensions="1 3" Format="XML">0 1 2</DataItem></Topology>
</Grid></Domain></Xdmf>"""


@pytest.mark.parametrize(("name", "fine"), [("data.h5", True), ("../o.h5", False), ("&out;", False), ("far.h5", False)])
def test_an_xdmf_file_names_its_own_folder_only(tmp_path: Path, name: str, fine: bool) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for path in (folder / "data.h5", tmp_path / "o.h5"):
        with h5py.File(path, "w") as file:
            file["p"] = np.eye(3)
    with h5py.File(folder / "far.h5", "w") as file:
        file["p"] = h5py.ExternalLink(str(tmp_path / "o.h5"), "/p")
    (folder / "x.xdmf").write_text(XDMF.format(name=name, out=tmp_path / "o.h5"))
    if fine:
        assert read_triangles(folder / "x.xdmf")[0].tolist() == np.eye(3).tolist()
    else:
        with pytest.raises(em.InputError, match=r"names a file elsewhere|another file"):
            read_triangles(folder / "x.xdmf")


def test_triangles_that_lie_upon_each_other_take_no_more_memory_than_some_pairs(monkeypatch) -> None:
    """Oracle: all pairs at once."""
    part = em.implants.sphere(0.01, subdivisions=2).parts[0]
    vertices = part.vertices[np.random.default_rng(0).permutation(len(part.vertices))]
    vertices[::2] *= 0.1
    whole = {tuple(sorted(p)) for p in crossing_triangles(vertices, part.triangles).tolist()}
    assert len(whole) > 1000
    largest = []
    overlapping = surface_repair._overlapping
    monkeypatch.setattr(surface_repair, "PAIRS_AT_ONCE", 1000)
    monkeypatch.setattr(
        surface_repair, "_overlapping", lambda a, *more: largest.append(len(a)) or overlapping(a, *more)
    )
    parts = {tuple(sorted(p)) for p in crossing_triangles(vertices, part.triangles).tolist()}
    assert parts == whole
    assert max(largest) < 2000
    monkeypatch.setattr(surface_repair, "MOST_PAIRS", 1000)
    with pytest.raises(em.InputError, match="lie upon each other"):
        crossing_triangles(vertices, part.triangles)
