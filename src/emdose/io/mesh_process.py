"""Readers of meshes, lines, grids and MATLAB files in a process of their own: damaged files crash compiled libraries.

Run as ``emdose.io.mesh_process TASK PATH`` by :func:`read` it writes an NPZ archive to standard output: arrays and
JSON, no pickles.
"""

from __future__ import annotations

import contextlib
import io
import json
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from emdose.compute import child
from emdose.errors import InputError
from emdose.io import mesh_cells
from emdose.io.disk.files import first_line, plain_file
from emdose.io.maps import vtk

TASKS = ("mesh", "vtk surface", "vtk lines", "vtk grid", "matlab", "matlab variables", "trimesh")
LARGEST_FILE = 1 << 30
MEMORY, MEMORY_PER_BYTE = 3 << 29, 64
"""Address space of a reader [bytes], and what each byte of the file adds: a text of numbers grows thirtyfold."""
SECONDS, SECONDS_PER_BYTE = 60.0, 2e-6
_MARK = b"emdose mesh\n"


def read(task: str, path: Path, expected: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name and findings of a file, read in a limited process.

    Parameters
    ----------
    task : {"mesh", "vtk surface", "vtk lines", "vtk grid", "matlab", "matlab variables", "trimesh"}
        Which reader: meshio, VTK, SciPy, or trimesh.
    path : Path
        The file.
    expected : str
        What it should be, for the error text.

    Raises
    ------
    InputError
        When the file is missing, no plain file, too large or damaged, or its reader crashes or exceeds a limit.
    """
    path = plain_file(path, expected)
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise InputError("file too large", file=path, found=f"{size} bytes", expected=f"at most {LARGEST_FILE} bytes")
    limits = child.Limits(MEMORY + MEMORY_PER_BYTE * size, SECONDS + SECONDS_PER_BYTE * size)
    try:
        ended = child.run(__name__, task, str(path.absolute()), limits=limits)
    except OSError as error:
        raise InputError(f"no process to read it in: {error.strerror or error}", file=path) from None
    start = ended.out.find(_MARK)
    if ended.late or ended.code or start < 0:
        raise InputError(_end(ended, limits), file=path, expected=f"an undamaged file: {expected}")
    with np.load(io.BytesIO(ended.out[start + len(_MARK) :]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    told = json.loads(str(arrays.pop("told")))
    if "problem" in told:
        raise InputError(told.pop("problem"), file=path, **told)
    findings = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    return arrays, findings


def _end(ended: child.Ended, limits: child.Limits) -> str:
    if ended.late or ended.code == -int(getattr(signal, "SIGXCPU", 24)):
        return f"reading it takes more than {limits.seconds:.0f} s"
    if b"MemoryError" in ended.errors or b"bad_alloc" in ended.errors:
        return f"reading it takes more than {limits.memory_bytes / 2**30:.1f} GiB"
    if ended.code < 0:
        return f"damaged: its reader crashed ({signal.Signals(-ended.code).name})"
    return f"damaged: its reader failed (code {ended.code})"


def _answer(task: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if task == "mesh":
        points, triangles, findings = mesh_cells.read_surface(path)
        return {"points": points, "triangles": triangles}, findings
    if task == "trimesh":
        points, triangles = mesh_cells.read_with_trimesh(path)
        return {"points": points, "triangles": triangles}, {}
    if task == "vtk surface":
        points, triangles, findings = _read_vtk(path)
        return {"points": points, "triangles": triangles}, findings
    if task == "matlab":
        found = matlab_arrays(path)
        return {str(n): values for n, values in enumerate(found.values())}, {"names": list(found)}
    if task == "matlab variables":
        found, words = matlab_variables(path)
        return {str(n): values for n, values in enumerate(found.values())}, {"names": list(found), "words": words}
    if task == "vtk grid":
        found = vtk.read_grid(path)  # names of data may be anything, so they do not become names in the archive
        return {str(n): values for n, values in enumerate(found.values())}, {"names": list(found)}
    lines, about = vtk.read_polylines(path)
    return {"points": np.concatenate(lines), "ends": np.cumsum([len(line) for line in lines]), **about}, {}


def matlab_variables(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays of numbers in a MATLAB file before version 7.3, with all their axes, and its texts, by name."""
    held = {k: v for k, v in _matlab(path).items() if not k.startswith("__") and isinstance(v, np.ndarray)}
    texts = {k: str(v.reshape(-1)[0]) for k, v in held.items() if v.dtype.kind == "U" and v.size == 1}
    return {k: v for k, v in held.items() if v.dtype.kind in "biufc"}, texts


def _matlab(path: Path, **how: bool) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        return dict(loadmat(path, **how))
    except Exception as error:  # whatever damage makes SciPy raise
        raise InputError(f"not a readable MATLAB file: {first_line(error)}", file=path) from None


def matlab_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of numbers in a MATLAB file before version 7.3, those in structures as "structure/field"."""
    held = _matlab(path, simplify_cells=True)
    found: dict[str, np.ndarray] = {}

    def walk(name: str, item: Any) -> None:
        if isinstance(item, dict):
            for key, value in item.items():
                walk(f"{name}/{key}" if name else str(key), value)
        else:
            values = np.asarray(item)
            if values.dtype.kind in "biufc" and not name.startswith("__"):
                found[name] = values

    walk("", held)
    return found


def _read_vtk(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Surface of the cells of a VTK file: by meshio, or by VTK itself for what meshio does not read (poly data)."""
    if path.suffix.lower() in mesh_cells.READ:
        with contextlib.suppress(InputError):
            return mesh_cells.read_surface(path)
    return *vtk.read_surface(path), {}


def main() -> None:
    """Read a file and write what is in it, or why it cannot be read, to standard output."""
    task, name = sys.argv[1:]
    try:
        arrays, told = _answer(task, Path(name))
    except InputError as error:
        found = error.found if error.found is None or isinstance(error.found, int | float) else str(error.found)
        told = {"problem": error.problem, "field": error.field, "found": found, "expected": error.expected}
        arrays = {}
    stream = io.BytesIO()
    np.savez(stream, told=np.array(json.dumps(told)), **arrays)  # type: ignore[arg-type]
    sys.stdout.buffer.write(_MARK + stream.getvalue())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
