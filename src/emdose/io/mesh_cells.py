"""Mesh files of simulation programs, through meshio: the surface of their cells, and surfaces written to them."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError, OutputError
from emdose.io.disk.datasets import opened
from emdose.io.disk.files import plain_file

READ = {".msh": "gmsh", ".inp": "abaqus", ".xdmf": "xdmf", ".xmf": "xdmf", ".vtu": "vtu", ".vtk": "vtk"}
"""Formats of meshio that are read, by ending. STL, PLY and OBJ have stricter readers: meshio takes a corner -1 of an
OBJ file for the last but one point, and an ASCII STL file that is cut short between triangles for a whole one."""
WRITTEN: dict[str, tuple[str, dict[str, Any]]] = {
    ".stl": ("stl", {"binary": True}),
    ".ply": ("ply", {"binary": True}),
    ".obj": ("obj", {}),
    ".vtk": ("vtk", {"binary": True}),
    ".vtu": ("vtu", {}),
    ".msh": ("gmsh22", {"binary": True}),
    ".inp": ("abaqus", {}),
    ".xdmf": ("xdmf", {"data_format": "XML"}),
}
"""Formats of meshio that are written, by ending, with its options; each is one file."""
FACES: dict[str, tuple[tuple[int, ...], ...]] = {
    "tetra": ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)),
    "hexahedron": ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
    "wedge": ((0, 2, 1), (3, 4, 5), (0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5)),
    "pyramid": ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)),
}
"""Faces of the solid cells by the numbers of their corners, anticlockwise seen from outside."""
FLAT = {"triangle": 3, "quad": 4, "polygon": 0}
"""Flat cells and their number of corners; a polygon has as many as its row."""
LONGEST_NAME = 200
"""Letters of a name of a file; numbers that stand where a name belongs are longer."""
IGNORED = ("vertex", "line")
"""Cells that bound no space."""


def read_surface(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Vertices (v, 3), triangles (t, 3) and findings of a mesh file.

    Where there are solid cells (tetrahedra, hexahedra, wedges, pyramids), the surface is made of their faces that no
    other cell shares, and flat cells in the file are left out: mesh programs write them as a copy of that surface,
    or of a face inside. Physical groups, element sets and bodies that touch therefore become one body, without the
    faces between them. Otherwise it is made of all flat cells. Quadrilaterals are cut in two triangles, cells of second
    order are taken by their corners; points and lines are left out.

    Parameters
    ----------
    path : Path
        A file with an ending of :data:`READ`.

    Raises
    ------
    InputError
        When the file is damaged, or has cells of another kind or none that bound a space.
    """
    mesh = _read(path)
    points = np.asarray(mesh.points, float)
    points = np.pad(points, ((0, 0), (0, 3 - points.shape[1]))) if points.ndim == 2 and points.shape[1] < 3 else points
    cells: dict[str, list[np.ndarray]] = {}
    curved = 0
    for block in mesh.cells:
        kind, corners = _kind(block.type, path)
        if kind is not None and len(block.data):
            data = np.asarray(block.data)
            curved += len(data) if data.shape[1] > corners > 0 else 0
            cells.setdefault(kind, []).append(data[:, : corners or None].astype(np.int64))
    used = [c for arrays in cells.values() for c in arrays]
    if not used:
        raise InputError("no triangles", file=path, expected="cells that are flat or solid")
    if min(int(c.min()) for c in used) < 0 or max(int(c.max()) for c in used) >= len(points):
        raise InputError("cell without point", file=path, expected=f"points 0 to {len(points) - 1}")
    solid = {kind: np.concatenate(arrays) for kind, arrays in cells.items() if kind in FACES}
    flat = [c for kind, arrays in cells.items() if kind in FLAT for c in arrays]
    triangles = _boundary(solid, path) if solid else np.concatenate([_triangles(c) for c in flat])
    findings: dict[str, Any] = {"cells": {kind: sum(map(len, arrays)) for kind, arrays in cells.items()}}
    if curved:
        findings["cells_of_second_order"] = curved
    groups = sorted({*mesh.field_data, *mesh.cell_sets} - {"gmsh:bounding_entities"})
    if groups:
        findings["groups_joined"] = tuple(groups)
    return points, triangles, findings


def read_with_trimesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) and triangles (t, 3) of a PLY or OBJ file; raises InputError."""
    import trimesh

    kind = path.suffix.lower()[1:]
    try:
        with warnings.catch_warnings(), path.open("rb") as stream:
            warnings.simplefilter("ignore")
            mesh: Any = trimesh.load(stream, file_type=kind, process=False, force="mesh", skip_materials=True)
            vertices, triangles = np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64)
    except Exception as error:  # whatever the reader stumbles over
        raise InputError(
            f"cannot read this {kind.upper()} file: {type(error).__name__}: {error}",
            file=path,
            expected="an undamaged file",
        ) from None
    if triangles.ndim != 2 or not len(triangles):
        raise InputError("no triangles", file=path, expected="a closed surface of triangles")
    return vertices, triangles


def mesh_bytes(path: Path, vertices: np.ndarray, triangles: np.ndarray) -> bytes:
    """What a file with the ending of ``path`` holds for vertices (v, 3) and triangles (t, 3).

    Raises
    ------
    InputError
        For an ending that is not in :data:`WRITTEN`.
    """
    import meshio

    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise InputError("cannot write this format", file=path, expected=" or ".join(WRITTEN))
    kind, options = WRITTEN[suffix]
    mesh = meshio.Mesh(np.asarray(vertices, float), [("triangle", np.asarray(triangles, np.int32))])
    with tempfile.TemporaryDirectory() as folder, _silent() as said:
        file = Path(folder) / f"mesh{suffix}"
        try:
            meshio.write(file, mesh, kind, **options)
            # The same surface gives the same bytes: no date in it.
            return re.sub(rb"(Created by meshio v[^,\n]*), [^\n]*", rb"\1", file.read_bytes(), count=1)
        except (Exception, SystemExit) as error:
            raise OutputError(f"{path}: cannot be written: {_reason(error, said)}") from None


def _read(path: Path) -> Any:
    import meshio

    _require_beside(path)
    with _silent() as said:
        try:
            return meshio.read(path, READ[path.suffix.lower()])
        except (Exception, SystemExit) as error:  # meshio raises whatever its parsers meet, and ends the program
            raise InputError(
                f"cannot read this mesh: {_reason(error, said)}",
                file=path,
                expected=f"an undamaged {READ[path.suffix.lower()].capitalize()} file",
            ) from None


def _require_beside(path: Path) -> None:
    """Raise InputError where an XDMF or Abaqus file, or one that it includes, names a file in another folder."""
    kind, seen, ahead = READ[path.suffix.lower()], set[Path](), [path]
    while ahead and kind in ("xdmf", "abaqus"):
        file = ahead.pop()
        if file in seen:
            continue
        seen.add(file)
        text = plain_file(file).read_text(encoding="utf-8", errors="replace")
        for name, data in _named(text) if kind == "xdmf" else _included(text):
            elsewhere = Path(name).name != name or "\\" in name or len(name) > LONGEST_NAME
            if elsewhere or (file.parent / name).is_symlink():
                raise InputError("names a file elsewhere", file=path, found=name, expected="files in the same folder")
            if data:
                with opened(file.parent / name):
                    pass
            elif kind == "abaqus":
                ahead.append(file.parent / name)


def _named(text: str) -> Iterator[tuple[str, bool]]:
    """Files that an XDMF file names, and whether they are HDF5."""
    with contextlib.suppress(ElementTree.ParseError):  # meshio says what is wrong with it
        for item in ElementTree.fromstring(text).iter("DataItem"):
            content = (item.text or "").strip()
            if item.get("Format", "XML") != "XML" and content:
                yield content.split(":")[0].strip(), item.get("Format") == "HDF"


def _included(text: str) -> Iterator[tuple[str, bool]]:
    """Files that an Abaqus file includes."""
    for line in re.findall(r"^\s*\*\s*include\b.*$", text, re.IGNORECASE | re.MULTILINE):
        yield line.split("=")[-1].strip(), False


@contextlib.contextmanager
def _silent() -> Iterator[io.StringIO]:
    """Catch what meshio prints on both streams."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield said


def _reason(error: BaseException, said: io.StringIO) -> str:
    text = said.getvalue() if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:120] or type(error).__name__


def _kind(name: str, path: Path) -> tuple[str | None, int]:
    """Kind of a cell without its order, and how many of its points are corners; None for what bounds no space."""
    kind = name.rstrip("0123456789")
    if kind in FACES:
        return kind, 1 + max(n for face in FACES[kind] for n in face)
    if kind in FLAT:
        return kind, FLAT[kind]
    if kind in IGNORED:
        return None, 0
    raise InputError("cells of an unknown kind", file=path, found=name, expected=", ".join([*FACES, *FLAT]))


def _triangles(cells: np.ndarray) -> np.ndarray:
    """Fans of triangles over flat cells (m, corners)."""
    parts = [cells[:, [0, n, n + 1]] for n in range(1, cells.shape[1] - 1)]
    return np.concatenate(parts) if parts else np.empty((0, 3), np.int64)


def _boundary(solid: dict[str, np.ndarray], path: Path) -> np.ndarray:
    """Triangles (t, 3) of the faces that one cell alone has."""
    faces = []
    for kind, cells in solid.items():
        for face in FACES[kind]:
            corners = cells[:, list(face)]
            faces.append(corners if len(face) == 4 else np.column_stack([corners, np.full(len(cells), -1)]))
    every = np.concatenate(faces)
    _, first, counts = np.unique(np.sort(every, axis=1), axis=0, return_index=True, return_counts=True)
    if counts.max() > 2:
        raise InputError("cells overlap", file=path, found=f"a face of {counts.max()} cells", expected="two at most")
    outer = every[first[counts == 1]]
    three = outer[:, 3] < 0
    return np.concatenate([outer[three][:, :3], _triangles(outer[~three])])
