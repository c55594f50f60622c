"""Implants from surface files: formats, checks, repairs, and one clear line for what cannot be used."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.io.mesh_cells import read_with_trimesh
from emdose.io.meshes import read_triangles
from emdose.models.implants.implant import Implant, Part, assembly
from emdose.models.implants.surface_repair import closed_surface, crossing_triangles

BOX = em.implants.box((0.03, 0.02, 0.01), "cpTi", divisions=4)
VOLUME = 6e-6


def write_loose(path: Path, corners: np.ndarray) -> Path:
    """Binary STL of triangles (t, 3, 3) [mm]."""
    record = np.zeros(len(corners), [("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")])
    record["c"] = corners
    path.write_bytes(bytes(80) + struct.pack("<I", len(corners)) + record.tobytes())
    return path


def millimetres(implant: Implant = BOX) -> np.ndarray:
    return implant.parts[0].corners * 1e3


@pytest.mark.usefixtures("meshes_read_here")
@pytest.mark.parametrize("ending", ["stl", "ply"])
@pytest.mark.parametrize("unit", ["mm", "m", "in"])
def test_round_trip(tmp_path: Path, ending: str, unit: str) -> None:
    (file,) = em.write_implant(BOX, tmp_path / f"box.{ending}", unit=unit)
    back = em.read_implant(file, "cpTi", unit=unit)
    assert back.name == "box"
    assert back.metals[0].name == "cpTi"
    assert back.volume_m3 == pytest.approx(VOLUME, rel=1e-6)
    report = back.report["box"]
    assert report["repairs"] == ()
    assert (report["shells"], report["cavities"], report["handles"], report["crossing_triangles"]) == (1, 0, 0, 0)
    assert report["triangles"] == len(BOX.parts[0].triangles)
    assert report["size_m"] == pytest.approx((0.03, 0.02, 0.01))


@pytest.mark.usefixtures("meshes_read_here")
def test_ascii_stl_obj_and_vtk(tmp_path: Path) -> None:
    """Oracle: the same box in every format; the VTK files by meshio and by pyvista."""
    import meshio
    import pyvista

    part = BOX.parts[0]
    v, t = part.vertices * 1e3, part.triangles
    lines = ["solid box"]
    for triangle in v[t]:
        lines += [
            "facet normal 0 0 0",
            "outer loop",
            *(f"vertex {a:.9g} {b:.9g} {c:.9g}" for a, b, c in triangle),
            "endloop",
            "endfacet",
        ]
    (tmp_path / "a.stl").write_text("\n".join([*lines, "endsolid box"]))
    obj = [f"v {a} {b} {c}" for a, b, c in v.tolist()] + ["f " + " ".join(str(i + 1) for i in f) for f in t.tolist()]
    (tmp_path / "b.obj").write_text("\n".join(obj))
    pyvista.PolyData(v, np.insert(t, 0, 3, axis=1).ravel()).save(tmp_path / "c.vtp")
    pyvista.PolyData(v, np.insert(t, 0, 3, axis=1).ravel()).save(tmp_path / "d.vtk")
    meshio.Mesh(v, [("triangle", t)]).write(tmp_path / "e.vtu")
    hexahedra = pyvista.ImageData(dimensions=(4, 3, 2), spacing=(10, 10, 10)).cast_to_unstructured_grid()
    hexahedra.save(tmp_path / "f.vtu")  # a volume mesh: its skin is taken
    for name in ("a.stl", "b.obj", "c.vtp", "d.vtk", "e.vtu", "f.vtu"):
        found = em.read_implant(tmp_path / name, "gold", unit="mm")
        assert found.volume_m3 == pytest.approx(VOLUME, rel=1e-6), name


def test_assembly_of_several_files(tmp_path: Path) -> None:
    pair = assembly("pair", BOX, BOX.with_metal("CoCrMo").moved((0.05, 0, 0)))
    files = em.write_implant(pair, tmp_path / "pair.stl")
    assert [f.name for f in files] == ["pair-1.stl", "pair-2.stl"]
    back = em.read_implant(files, ["Ti", "CoCrMo"], name="two", unit="mm")
    assert back.name == "two"
    assert [p.name for p in back.parts] == ["pair-1", "pair-2"]
    assert [m.name for m in back.metals] == ["cpTi", "CoCrMo"]
    assert em.read_implant(files, "gold", unit="mm").mass_kg == pytest.approx(2 * VOLUME * 19300, rel=1e-6)
    with pytest.raises(em.InputError, match="metal: as many metals as files; found 3; expected 2"):
        em.read_implant(files, ["gold"] * 3, unit="mm")


# ---- repairs ---------------------------------------------------------------------------------------------------------
def test_small_defects_are_repaired_and_said(tmp_path: Path) -> None:
    """Oracle: the volume of the sound box."""
    sound = millimetres()
    rng = np.random.default_rng(1)
    noisy = sound + rng.uniform(-1e-5, 1e-5, sound.shape)  # 3e-7 of the size: nothing coincides
    turned = sound.copy()
    turned[::7] = turned[::7, ::-1]
    cases = {
        "merged": (noisy, "merged .* vertices closer than 1e-06"),
        "double": (np.concatenate([sound, sound[5:8]]), "dropped 3 double triangles"),
        "flap": (np.concatenate([sound, sound[5:6], sound[5:6, ::-1]]), "dropped 2 double triangles"),
        "degenerate": (np.concatenate([sound, sound[:2][:, [0, 1, 1]]]), "dropped 2 triangles without area"),
        "inside out": (sound[:, ::-1], "turned 1 shell inside out"),
        "turned": (turned, "turned 28 triangles"),
    }
    for name, (corners, text) in cases.items():
        found = em.read_implant(write_loose(tmp_path / "x.stl", corners), "gold", unit="mm")
        assert found.volume_m3 == pytest.approx(VOLUME, rel=1e-5), name
        assert re.search(text, " ".join(found.report["x"]["repairs"])), (name, found.report["x"]["repairs"])


def test_tiny_hole_is_filled(tmp_path: Path) -> None:
    """Oracle: the volume of the sphere; one triangle of 5120 is missing, then two next to each other."""
    sphere = em.implants.sphere(0.02)
    for missing in (1, 2):
        corners = np.delete(millimetres(sphere), [100] if missing == 1 else [100, 1380], axis=0)
        found = em.read_implant(write_loose(tmp_path / "s.stl", corners), "gold", unit="mm")
        assert found.volume_m3 == pytest.approx(4 / 3 * math.pi * 8e-6, rel=1e-4)
        assert "filled" in found.report["s"]["repairs"][-1]


def test_shells_and_handles(tmp_path: Path) -> None:
    """Oracles: a hollow sphere has a cavity, a tube one handle; two bodies are two shells."""
    hollow = em.implants.hollow_sphere(0.02, 0.01, subdivisions=3)
    found = em.read_implant(write_loose(tmp_path / "h.stl", millimetres(hollow)), "gold", unit="mm")
    assert found.volume_m3 == pytest.approx(hollow.volume_m3, rel=1e-6)
    assert (found.report["h"]["shells"], found.report["h"]["cavities"]) == (2, 1)
    outwards = hollow.parts[0].triangles.copy()
    outwards[len(outwards) // 2 :] = outwards[len(outwards) // 2 :, ::-1]  # the inner shell looks outwards too
    surface = closed_surface(hollow.parts[0].vertices, outwards)
    assert surface.repairs == ["took 1 shell inside of another as a cavity"]
    tube = em.read_implant(
        em.write_implant(em.implants.tube(0.02, 0.01, 0.03), tmp_path / "t.stl")[0], "gold", unit="mm"
    )
    assert tube.report["t"]["handles"] == 1
    two = np.concatenate([millimetres(), millimetres() + 40])
    pair = em.read_implant(write_loose(tmp_path / "two.stl", two), "gold", unit="mm")
    assert pair.report["two"]["shells"] == 2
    assert pair.volume_m3 == pytest.approx(2 * VOLUME, rel=1e-6)


def test_boxes_that_share_an_edge() -> None:
    """An edge of four triangles is no opening: two boxes edge to edge."""
    part = em.implants.box((1, 1, 1)).parts[0]
    both = Part(
        "both",
        np.concatenate([part.vertices, np.add(part.vertices, (1, 1, 0))]),
        np.concatenate([part.triangles, part.triangles + len(part.vertices)]),
        "gold",
    )
    surface = closed_surface(both.vertices, both.triangles)
    assert surface.findings["edges_of_four_triangles"] == 1
    assert surface.findings["shells"] == 2


def test_crossing_triangles_are_counted(tmp_path: Path) -> None:
    """Oracle: boxes that reach into each other cross along their common outline; side by side they do not."""
    corners = np.concatenate([millimetres(), np.add(millimetres(), (11, 7, 3))])
    with pytest.warns(em.EmdoseWarning, match=r"x\.stl: \d+ triangles cross each other"):
        found = em.read_implant(write_loose(tmp_path / "x.stl", corners), "gold", unit="mm")
    assert found.report["x"]["crossing_triangles"] > 20
    apart = np.concatenate([millimetres(), np.add(millimetres(), (30, 0, 0))])  # touching
    assert (
        em.read_implant(write_loose(tmp_path / "y.stl", apart), "gold", unit="mm").report["y"]["crossing_triangles"]
        == 0
    )


def test_crossings_against_all_pairs() -> None:
    """Oracle: every pair tested, by the reference of the kernel; triangles of very different sizes."""
    from emdose.models.implants.kernels import triangles as reference

    rng = np.random.default_rng(3)
    n = 150
    size = 10 ** rng.uniform(-2, 0, n)
    corners = rng.uniform(0, 1, (n, 1, 3)) + size[:, None, None] * rng.normal(size=(n, 3, 3)) * 0.3
    vertices, triangles = corners.reshape(-1, 3), np.arange(3 * n).reshape(-1, 3)
    found = {tuple(sorted(p)) for p in crossing_triangles(vertices, triangles).tolist()}
    pairs = np.stack(np.triu_indices(n, 1), 1).astype(np.int32)
    wanted = np.zeros(len(pairs), np.uint8)
    reference.crossing_pairs((len(pairs),), corners, pairs, 1e-12, wanted)
    assert found == {tuple(p) for p in pairs[wanted > 0].tolist()}
    assert len(found) > 30


# ---- bad input -------------------------------------------------------------------------------------------------------
def refused(path: Path, text: str, unit: str = "mm") -> None:
    with pytest.raises(em.InputError, match=text) as caught:
        em.read_implant(path, "CoCrMo", unit=unit)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_open_surfaces_are_refused(tmp_path: Path) -> None:
    refused(write_loose(tmp_path / "a.stl", millimetres()[:-8]), "surface is open")
    refused(write_loose(tmp_path / "b.stl", millimetres()[:3]), "surface is open")
    cross = np.concatenate([millimetres(), [[[0, 0, -5], [0, 0, 5], [0, 8, 0]]]])  # a fin without thickness
    refused(write_loose(tmp_path / "c.stl", cross), "surface is open")
    n = 40
    phi = np.linspace(0, 2 * np.pi, n, endpoint=False)
    # A Klein bottle: closed, but with one side.
    u, w = np.meshgrid(phi, phi, indexing="ij")
    r = 30 + 10 * (np.cos(u / 2) * np.sin(w) - np.sin(u / 2) * np.sin(2 * w))
    z = 10 * (np.sin(u / 2) * np.sin(w) + np.cos(u / 2) * np.sin(2 * w))
    v = np.stack([r * np.cos(u), r * np.sin(u), z], -1).reshape(-1, 3)
    triangles = []
    for i in range(n):
        for j in range(n):
            i1, j1 = (i + 1) % n, (j + 1) % n
            ends = [i1 * n + j, i1 * n + j1] if i + 1 < n else [(-j) % n, (-j - 1) % n]
            a, b, c, d = i * n + j, ends[0], ends[1], i * n + j1
            triangles += [[a, b, c], [a, c, d]]
    with pytest.raises(em.InputError, match="one side only"):
        closed_surface(v, np.array(triangles))


@pytest.mark.usefixtures("meshes_read_here")
def test_wrong_units_are_found_out(tmp_path: Path) -> None:
    """Oracle: a stem of 142 m is one of 142 mm whose unit is wrong."""
    stem = em.implants.box((0.012, 0.015, 0.142))
    (file,) = em.write_implant(stem, tmp_path / "stem.stl", unit="mm")
    refused(file, r"an implant of 142 m; found 'm'; expected perhaps unit='mm' \(142 mm\)", unit="m")
    (file,) = em.write_implant(stem, tmp_path / "stem.ply", unit="m")
    refused(file, r"an implant of 0\.142 mm; found 'mm'; expected perhaps unit='m' \(142 mm\)")
    with pytest.raises(em.InputError, match="unknown unit; found 'feet'; expected one of m, cm, mm"):
        em.read_implant(file, "gold", unit="feet")


@pytest.mark.usefixtures("meshes_read_here")
@pytest.mark.parametrize("ending", ["stl", "ply", "obj", "vtk", "msh"])
def test_a_missing_unit_is_asked_for(tmp_path: Path, ending: str) -> None:
    """Oracle: a plate of 70 x 12 x 3 mm written in inches has a largest side of 2.756: no reader may call that mm."""
    plate = em.implants.box((0.070, 0.012, 0.003))
    (file,) = em.write_implant(plate, tmp_path / f"plate.{ending}", unit="in")
    with pytest.raises(em.InputError, match=r"plate.*unit: unit of the coordinates is missing") as caught:
        em.read_implant(file, "Ti6Al4V")
    text = str(caught.value)
    assert "\n" not in text
    assert "'mm' (largest side 2.756 mm)" in text
    assert "'in' (largest side 70 mm)" in text
    assert em.read_implant(file, "Ti6Al4V", unit="in").size_m == pytest.approx((0.070, 0.012, 0.003), rel=1e-5)
    (tmp_path / "far.stl").write_bytes(b"nothing")
    with pytest.raises(em.InputError, match="not an STL file"):
        em.read_implant(tmp_path / "far.stl", "Ti6Al4V")


def test_damaged_files(tmp_path: Path) -> None:
    (file,) = em.write_implant(BOX, tmp_path / "box.stl")
    whole = file.read_bytes()

    def damaged(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    refused(damaged("cut.stl", whole[:-120]), "cut short or damaged; found '.* bytes'; expected .* bytes for the")
    refused(damaged("short.stl", whole[:60]), "not an STL file, or cut short")
    refused(damaged("empty.stl", b""), "empty file")
    refused(damaged("none.stl", bytes(84)), "no triangles")
    refused(damaged("text.stl", b"solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\n"), "cut short")
    refused(damaged("word.stl", b"solid x\nfacet\nvertex 0 0 z\nvertex 1 0 0\nvertex 0 1 0\nendsolid"), "not a number")
    bad = np.array(millimetres(), np.float32)
    bad[7, 1, 2] = np.nan
    refused(write_loose(tmp_path / "nan.stl", bad), "triangle 8: coordinate is not a finite number")
    refused(write_loose(tmp_path / "point.stl", np.ones((4, 3, 3))), "all triangles lie in one point")
    refused(write_loose(tmp_path / "line.stl", millimetres()[:, [0, 1, 1]]), "no triangle has an area")
    flat = millimetres()[:2] * (1, 1, 0)
    refused(write_loose(tmp_path / "flat.stl", np.concatenate([flat, flat[:, ::-1]])), "no triangle has an area")
    refused(damaged("x.ply", b"ply\nformat ascii 1.0\nelement vertex 3\n"), "cannot read this PLY file|no triangles")
    refused(damaged("x.obj", b"v 0 0 0\nv 1 0 0\n"), "cannot read this OBJ file|no triangles")
    refused(damaged("x.vtp", b"<VTKFile type='PolyData'><broken"), "no polygons")
    refused(damaged("x.vtk", b"# vtk DataFile Version 3.0\nnothing\n"), "no polygons")
    refused(damaged("x.step", b"ISO-10303-21;"), "unknown kind of surface file")
    refused(tmp_path / "gone.stl", "no such file")
    refused(tmp_path, "unknown kind of surface file")
    points = damaged("p.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")
    refused(points, "triangle points|cannot read|no triangles")


def test_unknown_metal_and_bad_endings(tmp_path: Path) -> None:
    (file,) = em.write_implant(BOX, tmp_path / "box.stl")
    with pytest.raises(em.InputError, match=r"unknown metal; found 'Ti6Al4'; .*did you mean 'Ti6Al4V'"):
        em.read_implant(file, "Ti6Al4", unit="mm")
    with pytest.raises(em.InputError, match=r"cannot write this format; expected \.stl or \.ply or"):
        em.write_implant(BOX, tmp_path / "box.igs")
    with pytest.raises(em.InputError, match="no file given"):
        em.read_implant([], "gold", unit="mm")
    with pytest.raises(em.OutputError, match="cannot write"):
        em.write_implant(BOX, tmp_path / "nowhere" / "box.stl")


@pytest.mark.parametrize("ending", ["stl", "ply", "obj"])
def test_any_damage_ends_in_one_line(tmp_path: Path, ending: str) -> None:
    """Oracle: whatever bytes are changed or cut off, the reader gives triangles or an InputError of one line."""
    part = em.implants.sphere(0.01, subdivisions=1).parts[0]
    path = tmp_path / f"x.{ending}"
    if ending == "obj":
        lines = [f"v {a} {b} {c}" for a, b, c in part.vertices.tolist()]
        lines += ["f " + " ".join(str(i + 1) for i in f) for f in part.triangles.tolist()]
        whole = "\n".join(lines).encode()
    else:
        em.write_implant(Implant("x", (part,)), path)
        whole = path.read_bytes()
    rng, said = np.random.default_rng(7), []
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), rng.integers(0, 6)):
            data[at] = rng.integers(0, 256)
        path.write_bytes(bytes(data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.5 else data))
        try:
            # In this process, where hundreds are read in no time; the child is tested by itself.
            vertices, triangles = read_triangles(path)[:2] if ending == "stl" else read_with_trimesh(path)
            closed_surface(vertices, triangles, path)
        except em.InputError as error:
            said.append(str(error))
    assert len(said) > 20
    assert not any("\n" in line for line in said)


def test_a_corner_beyond_all_bounds_is_one_line(tmp_path: Path) -> None:
    """Oracle: the documented bound; the square of what lies within it still is a number."""
    corners = millimetres().copy()
    corners[3, 0, 0] = 3e30  # what a float of an STL file can hold
    with pytest.raises(em.InputError, match=r"a corner lies too far away.*at most 1e\+09"):
        em.read_implant(write_loose(tmp_path / "far.stl", corners), "gold", unit="mm")
