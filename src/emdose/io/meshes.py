"""Implants from surface and mesh files (STL, PLY, OBJ, VTK, Gmsh, XDMF, Abaqus) and to them."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import one_of
from emdose.errors import EmdoseWarning, InputError
from emdose.io import mesh_cells, mesh_process
from emdose.io.disk.atomic import write_bytes
from emdose.io.disk.files import check_memory, plain_file, read_bytes, sha256
from emdose.models.implants import metals
from emdose.models.implants.implant import Implant, Part
from emdose.models.implants.metals import Metal
from emdose.models.implants.surface_repair import RepairedSurface, closed_surface

FORMATS = ".stl, .ply, .obj, .vtk, .vtp, .vtu, .msh, .xdmf, .inp"
UNITS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "in": 0.0254, "inch": 0.0254}
LARGEST_M, SMALLEST_M = 1.0, 5e-4
"""An implant has a size between these; anything else is a wrong unit."""
LARGEST_FILE = 1 << 30
LARGEST_COORDINATE = 1e9
TASKS = {
    **dict.fromkeys(mesh_cells.READ, "mesh"),
    **dict.fromkeys((".vtk", ".vtp", ".vtu"), "vtk surface"),
    **dict.fromkeys((".ply", ".obj"), "trimesh"),
}
"""Who reads a file in a process of its own, by its ending. STL files are read here: nothing but NumPy touches them."""
MANY_CROSSINGS = 0.01
Paths = Path | str | Sequence[Path | str]


def read_implant(
    path: Paths,
    metal: Metal | str | Sequence[Metal | str],
    *,
    unit: str | None = None,
    name: str | None = None,
) -> Implant:
    """An implant from one surface file, or from several that belong together.

    Every file becomes one part: a closed surface, or several closed shells, of one metal. Equal vertices are merged,
    double triangles dropped, tiny holes filled and normals turned outwards; ``implant.report`` says what was found and
    changed, per part. A shell inside of another is a cavity.

    Parameters
    ----------
    path : Path, str or sequence of them
        STL (ASCII or binary), PLY, OBJ, VTK (``.vtk``, ``.vtp``, ``.vtu``), Gmsh (``.msh``), XDMF or Abaqus (``.inp``).
        Of a mesh of solid cells it is the surface; groups and bodies in it become one part of one metal, and
        ``report`` names them.
    metal : Metal, str or sequence of them
        One for all files, or one for each.
    unit : {"mm", "m", "cm", "um", "in"}
        Unit of the coordinates in the files. None of these formats states one, so it is required.
    name : str, optional
        What the implant is called; by default the name of the first file.

    Raises
    ------
    InputError
        One line for whatever is wrong: missing, damaged or cut-short file, no triangles, numbers that are not finite,
        no unit, an open surface, a size that points to another unit, an unknown metal.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(p) for p in path]
    if not paths:
        raise InputError("no file given", field="path", expected="at least one surface file")
    kinds = [metal] if isinstance(metal, str | Metal) else list(metal)
    if len(kinds) == 1:
        kinds *= len(paths)
    if len(kinds) != len(paths):
        raise InputError("as many metals as files", field="metal", found=len(kinds), expected=str(len(paths)))
    if unit is None:
        raise _without_unit(paths[0])
    one_of("unit", unit, UNITS, problem="unknown unit")
    found = [metals.get(k) for k in kinds]
    names = [p.stem for p in paths]
    if len(set(names)) < len(names):
        names = [f"{n} {i}" for i, n in enumerate(names, 1)]
    parts, report = [], {}
    for file, kind, label in zip(paths, found, names, strict=True):
        vertices, triangles, findings = read_triangles(file)
        _check_numbers(vertices, file)
        surface = closed_surface(vertices, triangles, file)
        surface.findings.update(findings)
        _check_size(surface, unit, file)
        part = Part(label, surface.vertices * UNITS[unit], surface.triangles, kind)
        parts.append(part)
        report[label] = _report(surface, part, file, unit)
        _warn_of_crossings(surface, file)
    return Implant(name or paths[0].stem, tuple(parts), report)


def write_implant(implant: Implant, path: Path | str, *, unit: str = "mm") -> list[Path]:
    """Surfaces of an implant to files, each written whole or not at all.

    Parameters
    ----------
    implant : Implant
        One file per part; with several parts, ``stem.stl`` becomes ``stem-1.stl``, ``stem-2.stl``, ...
    path : Path or str
        Name with the ending ``.stl`` (four bytes per coordinate), ``.ply``, ``.obj``, ``.vtk``, ``.vtu``, ``.msh``
        (Gmsh 2.2), ``.xdmf`` or ``.inp`` (Abaqus).
    unit : str
        Unit of the coordinates in the files.

    Returns
    -------
    list of Path
        The files, in the order of the parts.

    Raises
    ------
    InputError
        For an unknown ending or unit.
    OutputError
        When a file cannot be written.
    """
    path = Path(path)
    one_of("unit", unit, UNITS, problem="unknown unit")
    several = len(implant.parts) > 1
    files = [path.with_stem(f"{path.stem}-{n}") if several else path for n in range(1, len(implant.parts) + 1)]
    for file, part in zip(files, implant.parts, strict=True):
        write_bytes(file, mesh_cells.mesh_bytes(file, part.vertices / UNITS[unit], part.triangles))
    return files


def read_triangles(path: Path | str) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Raw vertices (v, 3), triangles (t, 3) and findings of a surface file, unchecked and in its own unit.

    Raises
    ------
    InputError
        When it is missing, of an unknown kind, damaged, or holds no triangles.
    """
    path = Path(path)
    suffix, expected = path.suffix.lower(), f"a surface file ({FORMATS})"
    if suffix != ".stl":
        if suffix not in TASKS:
            raise InputError(
                "unknown kind of surface file", file=path, found=path.suffix or "no ending", expected=FORMATS
            )
        if not plain_file(path, expected).stat().st_size:
            raise InputError("empty file", file=path, expected=expected)
        arrays, findings = mesh_process.read(TASKS[suffix], path, expected)
        return arrays["points"], arrays["triangles"], findings
    data = read_bytes(path, expected, LARGEST_FILE)
    if not data.strip():
        raise InputError("empty file", file=path, expected=expected)
    return *_read_stl(data, path), {}


# ---- formats -------------------------------------------------------------------------------------------------------
def _read_stl(data: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    if len(data) >= 84:
        (count,) = struct.unpack_from("<I", data, 80)
        if len(data) == 84 + 50 * count:
            return _loose(np.frombuffer(data, _STL, count, 84)["corners"].astype(float), path)
    head = data[:512].lstrip().lower()
    if head.startswith(b"solid") and (b"facet" in data[:4096].lower() or b"endsolid" in data.lower()):
        return _read_ascii_stl(data, path)
    if len(data) < 84:
        raise InputError(
            "not an STL file, or cut short",
            file=path,
            found=f"{len(data)} bytes",
            expected="a header of 84 bytes or the word 'solid'",
        )
    if len(data) > 84 + 50 * count and count > 0:  # some programs write a few bytes after the last triangle
        rest = len(data) - 84 - 50 * count
        if rest < 50:
            return _loose(np.frombuffer(data, _STL, count, 84)["corners"].astype(float), path)
    raise InputError(
        "STL file cut short or damaged",
        file=path,
        found=f"{len(data)} bytes",
        expected=f"{84 + 50 * count} bytes for the {count} triangles in its header",
    )


_STL = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def _read_ascii_stl(data: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    check_memory((len(data),), 40, path)  # a word is an object
    words = data.split()
    lower = [w.lower() for w in words] if any(w in data for w in (b"VERTEX", b"Vertex")) else words
    at = [n for n, w in enumerate(lower) if w == b"vertex"]
    if not at:
        raise InputError("no triangles", file=path, expected="'facet ... vertex x y z' in an ASCII STL file")
    if len(at) % 3 or b"endsolid" not in data[-4096:].lower() or at[-1] + 3 >= len(words):
        raise InputError(
            "STL file cut short",
            file=path,
            found=f"{len(at)} vertices",
            expected="three per triangle and 'endsolid' at the end",
        )
    try:
        corners = np.array([[float(x) for x in words[n + 1 : n + 4]] for n in at])
    except ValueError as error:
        raise InputError("not a number in an STL file", file=path, field="vertex", found=str(error)) from None
    return _loose(corners.reshape(-1, 3, 3), path)


def _loose(corners: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    if not len(corners):
        raise InputError("no triangles", file=path, expected="a closed surface of triangles")
    return corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3)


# ---- checks --------------------------------------------------------------------------------------------------------
def _without_unit(file: Path) -> InputError:
    """The error of a missing unit, with the sizes that the units would give."""
    size = float(np.ptp(read_triangles(file)[0], axis=0).max())
    fitting = {u: size * UNITS[u] for u in ("mm", "cm", "m", "in", "um") if SMALLEST_M <= size * UNITS[u] <= LARGEST_M}
    sizes = " or ".join(f"{u!r} (largest side {1e3 * s:.4g} mm)" for u, s in fitting.items())
    return InputError(
        "unit of the coordinates is missing, and this kind of file does not state one",
        file=file,
        field="unit",
        expected=sizes or f"one of {', '.join(UNITS)}",
    )


def _check_numbers(vertices: np.ndarray, file: Path) -> None:
    """Refuse coordinates whose squares leave what floating point can tell apart; those that are none come later."""
    largest = float(np.max(np.abs(vertices), initial=0.0, where=np.isfinite(vertices)))
    if largest > LARGEST_COORDINATE:
        raise InputError(
            "a corner lies too far away",
            file=file,
            found=largest,
            expected=f"coordinates of at most {LARGEST_COORDINATE:g} in the unit of the file",
        )


def _check_size(surface: RepairedSurface, unit: str, file: Path) -> None:
    size = surface.size * UNITS[unit]
    if SMALLEST_M <= size <= LARGEST_M:
        return
    sensible = [u for u in ("mm", "m", "cm", "in", "um") if 0.005 <= surface.size * UNITS[u] <= 0.6]
    hint = f"unit='{sensible[0]}' ({surface.size * UNITS[sensible[0]] * 1e3:.4g} mm)" if sensible else "another unit"
    raise InputError(
        f"an implant of {_length_text(size)}", file=file, field="unit", found=unit, expected=f"perhaps {hint}"
    )


def _length_text(metres: float) -> str:
    return f"{metres:.4g} m" if metres >= 0.5 else f"{metres * 1e3:.3g} mm"


def _report(surface: RepairedSurface, part: Part, file: Path, unit: str) -> dict[str, object]:
    low, high = part.bounds_m
    return {
        "file": file.name,
        "sha256": sha256(file),
        "unit": unit,
        "size_m": tuple(b - a for a, b in zip(low, high, strict=True)),
        "volume_m3": part.volume_m3,
        "area_m2": part.area_m2,
        "watertight": True,
        "repairs": tuple(surface.repairs),
        **surface.findings,
    }


def _warn_of_crossings(surface: RepairedSurface, file: Path) -> None:
    count = surface.findings["crossing_triangles"]
    if count:
        part = count / len(surface.triangles)
        text = "a part of space may count twice" if part > MANY_CROSSINGS else "volume and loss there are approximate"
        warnings.warn(f"{file.name}: {count} triangles cross each other: {text}", EmdoseWarning, stacklevel=3)
