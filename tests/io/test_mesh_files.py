"""Implants from mesh files of every format, through meshio.

Oracle: the volume of the body that was written, and meshio's own writers.
"""

from __future__ import annotations

from pathlib import Path

import meshio
import numpy as np
import pytest

import emdose as em
from emdose.io.mesh_cells import WRITTEN

SIDE_mm = 20.0
CORNERS = SIDE_mm * np.array(
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], float
)
QUADS = np.array([[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]])
TETRA = np.array([[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]])
CUBE_m3 = (SIDE_mm * 1e-3) ** 3
MESH_KINDS = {".msh": "gmsh22", ".inp": "abaqus", ".xdmf": "xdmf", ".vtu": "vtu", ".vtk": "vtk"}


def written(path: Path, cells: list, points: np.ndarray = CORNERS, kind: str | None = None, **more) -> Path:
    meshio.Mesh(points, cells, **more).write(path, file_format=kind or MESH_KINDS.get(path.suffix))
    return path


@pytest.mark.parametrize("ending", WRITTEN)
def test_what_is_written_is_read_back(ending: str, tmp_path: Path, capfd) -> None:
    ball = em.implants.sphere(0.01, "CoCrMo", subdivisions=2)
    files = em.write_implant(ball, tmp_path / f"ball{ending}")
    assert [p.name for p in files] == [f"ball{ending}"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"ball{ending}"]
    back = em.read_implant(files[0], "CoCrMo", unit="mm")
    exact = ending != ".stl"  # four bytes per coordinate
    assert back.volume_m3 == pytest.approx(ball.volume_m3, rel=1e-12 if exact else 1e-6)
    assert len(back.parts[0].triangles) == len(ball.parts[0].triangles)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("meshes_read_here")
@pytest.mark.parametrize("ending", MESH_KINDS)
@pytest.mark.parametrize(
    ("cells", "kinds"),
    [
        ([("tetra", TETRA)], {"tetra": 6}),
        ([("hexahedron", np.arange(8)[None])], {"hexahedron": 1}),
        ([("quad", QUADS)], {"quad": 6}),
        ([("wedge", np.array([[0, 1, 2, 4, 5, 6], [0, 2, 3, 4, 6, 7]]))], {"wedge": 2}),
        ([("triangle", TETRA[:, :3]), ("tetra", TETRA), ("line", np.array([[0, 6]]))], {"triangle": 6, "tetra": 6}),
    ],
    ids=["tetra", "hexahedron", "quad", "wedge", "mixed"],
)
def test_cells_of_a_cube_have_its_surface(ending: str, cells: list, kinds: dict, tmp_path: Path) -> None:
    implant = em.read_implant(written(tmp_path / f"cube{ending}", cells), "Ti6Al4V", unit="mm")
    assert implant.volume_m3 == pytest.approx(CUBE_m3, rel=1e-12)
    assert len(implant.parts[0].triangles) == 12
    assert implant.report["cube"]["cells"] == kinds


@pytest.mark.usefixtures("meshes_read_here")
def test_pyramids_and_second_order_are_taken_by_their_corners(tmp_path: Path) -> None:
    points = np.vstack([CORNERS, CORNERS.mean(axis=0)])
    pyramids = np.column_stack([QUADS[:, ::-1], np.full(6, 8)])
    implant = em.read_implant(written(tmp_path / "a.xdmf", [("pyramid", pyramids)], points), "gold", unit="mm")
    assert implant.volume_m3 == pytest.approx(CUBE_m3, rel=1e-12)
    edges = [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)]
    middles = [0.5 * (CORNERS[t[a]] + CORNERS[t[b]]) for t in TETRA for a, b in edges]
    tetra10 = np.column_stack([TETRA, 8 + np.arange(36).reshape(6, 6)])
    implant = em.read_implant(
        written(tmp_path / "b.msh", [("tetra10", tetra10)], np.vstack([CORNERS, middles])), "gold", unit="mm"
    )
    assert implant.volume_m3 == pytest.approx(CUBE_m3, rel=1e-12)
    assert implant.report["b"]["cells_of_second_order"] == 6


@pytest.mark.usefixtures("meshes_read_here")
def test_groups_that_touch_become_one_body_and_are_named(tmp_path: Path) -> None:
    """Oracle: two wedges that share a face have no wall between them."""
    wedges = [("wedge", np.array([[0, 1, 2, 4, 5, 6]])), ("wedge", np.array([[0, 2, 3, 4, 6, 7]]))]
    tags = {"gmsh:physical": [np.array([1]), np.array([2])], "gmsh:geometrical": [np.array([1]), np.array([2])]}
    names = {"stem": np.array([1, 3]), "neck": np.array([2, 3])}
    path = written(tmp_path / "two.msh", wedges, kind="gmsh22", cell_data=tags, field_data=names)
    implant = em.read_implant(path, "CoCrMo", unit="mm")
    assert implant.volume_m3 == pytest.approx(CUBE_m3, rel=1e-12)
    assert implant.report["two"]["groups_joined"] == ("neck", "stem")
    far = CORNERS + np.array([3 * SIDE_mm, 0, 0])
    both = [("tetra", TETRA), ("tetra", TETRA + 8)]
    implant = em.read_implant(written(tmp_path / "apart.inp", both, np.vstack([CORNERS, far])), "CoCrMo", unit="mm")
    assert implant.volume_m3 == pytest.approx(2 * CUBE_m3, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.msh", "no mesh at all", "a.msh: cannot read this mesh: .*; expected an undamaged Gmsh file"),
        ("a.msh", "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n", "a.msh: (cannot read this mesh|no triangles)"),
        ("a.inp", "*NODE\n1, 0, 0\n*ELEMENT, TYPE=C3D99\n1, 1\n", "a.inp: cannot read this mesh"),
        (
            "a.xdmf",
            "<Xdmf Version='3.0'><Domain>",
            "a.xdmf: cannot read this mesh: .*; expected an undamaged Xdmf file",
        ),
        ("a.msh", "", "a.msh: empty file"),
        ("a.stp", "x", r"a.stp: unknown kind of surface file; found '.stp'; expected .*\.msh"),
    ],
)
def test_damaged_meshes_are_one_line(name: str, text: str, words: str, tmp_path: Path, capfd) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(em.InputError, match=words) as caught:
        em.read_implant(tmp_path / name, "CoCrMo", unit="mm")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("meshes_read_here")
def test_cells_that_bound_nothing_or_overlap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(em.InputError, match="no triangles; expected cells that are flat or solid"):
        em.read_implant(written(tmp_path / "a.xdmf", [("line", np.array([[0, 1]]))]), "CoCrMo", unit="mm")
    with pytest.raises(em.InputError, match="cells overlap; found 'a face of 3 cells'"):
        em.read_implant(written(tmp_path / "b.xdmf", [("tetra", TETRA[[0, 0, 0]])]), "CoCrMo", unit="mm")
    with pytest.raises(em.InputError, match=r"b\.igs: cannot write this format"):
        em.write_implant(em.implants.sphere(0.01), tmp_path / "b.igs")
