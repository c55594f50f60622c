"""Fields in MATLAB files: exports of Sim4Life (one file for every field and port) and solutions of MARIE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io import mesh_process
from emdose.io.disk.datasets import opened
from emdose.io.disk.files import plain_file
from emdose.io.foreign.joining import PortField, frequency_of, quantity_of
from emdose.io.foreign.values import ForeignFields, as_complex

SIM4LIFE = {"time": "exp(+jwt)", "amplitude": "peak", "length": "m", "components": "xyz", "positions": "points"}
"""Documented of Sim4Life; a file says neither which field it holds nor what drove it."""
MARIE = {"time": "exp(+jwt)", "magnetic": "A/m", "length": "m", "components": "xyz", "positions": "points"}
"""Read in the public source of MARIE 3 (MIT licence): currents and fields of j w eps0, H in A/m."""
BODY, SOLUTION = "RHBM", "solution"


def contents(path: Path) -> Mapping[str, Any]:
    """What a MATLAB file of either version holds, structures as mappings, arrays with MATLAB's order of axes.

    Raises
    ------
    InputError
        When it is no such file.
    """
    path = plain_file(path, "a MATLAB file (.mat)")
    with path.open("rb") as stream:
        head = stream.read(1024)
    # Version 7.3 is HDF5 behind a block of 512 bytes.
    if head[512:520] == b"\x89HDF\r\n\x1a\n" or head[:8] == b"\x89HDF\r\n\x1a\n":
        with opened(path) as h5:
            return {k: _plain(v) for k, v in h5.items() if not k.startswith("#")}
    arrays, told = mesh_process.read("matlab", path, "a MATLAB file (.mat)")
    tree: dict[str, Any] = {}
    for n, name in enumerate(told["names"]):
        *groups, last = name.split("/")
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = arrays[str(n)]
    return tree


def sim4life_parts(files: Mapping[Path, Mapping[str, Any]]) -> list[PortField]:
    """The fields in exports of Sim4Life.

    Raises
    ------
    InputError
        When arrays are missing or do not fit, or there are several frequencies.

    Notes
    -----
    "Axis0", "Axis1", "Axis2": coordinates of points, or of the corners of cells when there is one more of each;
    "Snapshot0" (points, 3), x fastest.

    Source: the reader of CoSimPy 2.0.0 (MIT licence).
    """
    found = []
    for path, held in files.items():
        for name in ("Axis0", "Axis1", "Axis2", "Snapshot0"):
            if name not in held:
                raise InputError("array missing", file=path, field=name, expected="an export of Sim4Life")
        if "Snapshot1" in held:
            raise InputError("several frequencies in one file", file=path, field="Snapshot1", expected="one of them")
        axes = [np.asarray(held[f"Axis{n}"], float).ravel() for n in range(3)]
        raw = as_complex(np.asarray(held["Snapshot0"]))
        if raw.ndim != 2 or raw.shape[1] != 3:
            raise InputError(
                "not a vector field", file=path, field="Snapshot0", found=raw.shape, expected="(points, 3)"
            )
        if len(raw) != np.prod([len(a) for a in axes]):
            axes = [0.5 * (a[1:] + a[:-1]) for a in axes]
        shape = tuple(len(a) for a in axes)
        if len(raw) != np.prod(shape):
            raise InputError(
                "field does not fit its axes",
                file=path,
                field="Snapshot0",
                found=f"{len(raw)} points",
                expected=str(shape),
            )
        values = np.stack([raw[:, c].reshape(shape, order="F") for c in range(3)])
        found.append(PortField(path, quantity_of(path), tuple(axes), values, frequency_of(path)))  # type: ignore[arg-type]
    return found


def marie(
    files: Mapping[Path, Mapping[str, Any]], frequency_Hz: float | None, hashes: Mapping[str, str]
) -> ForeignFields:
    """The fields in a solution of MARIE 3, with the body in another file.

    Raises
    ------
    InputError
        When the solution or the body is missing or they do not fit, or the frequency is not named.

    Notes
    -----
    "solution.e_field.Tx.e_b" and "solution.h_field.Tx.h_b" (n1, n2, n3, 3 or 12, port); "RHBM" with "r" (n1, n2, n3, 3)
    [m], "sigma_e", "rho", "epsilon_r". Of fields that are linear in a voxel the constant part is taken. Outside of the
    body the fields are zero.
    """
    body = next((held[BODY] for held in files.values() if BODY in held), None)
    path, solution = next((p, held[SOLUTION]) for p, held in files.items() if SOLUTION in held)
    if not isinstance(body, Mapping) or "r" not in body:
        raise InputError(
            "a solution of MARIE holds no grid", file=path, field=BODY, expected="the file of its body beside it"
        )
    r = np.asarray(body["r"], float)
    if r.ndim != 4 or r.shape[3] != 3:
        raise InputError(
            "not a grid of points", file=path, field=f"{BODY}.r", found=r.shape, expected="(n1, n2, n3, 3)"
        )
    lines = (r[:, 0, 0, 0], r[0, :, 0, 1], r[0, 0, :, 2])
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
    if not np.allclose(grid, r, rtol=0, atol=1e-6 * max(np.ptp(a) for a in lines)):
        raise InputError("points of no rectilinear grid", file=path, field=f"{BODY}.r")
    shape = r.shape[:3]
    maps: dict[str, np.ndarray] = {}
    for name, key in (("conductivity", "sigma_e"), ("density", "rho")):
        if key in body:
            maps[name] = np.asarray(body[key], float).reshape(shape)
    E = _marie_field(solution, ("e_field", "e_b"), shape, path)
    H = _marie_field(solution, ("h_field", "h_b"), shape, path)
    return ForeignFields(
        program="MARIE",
        axes=lines,
        E=E,
        magnetic=H,
        ports=tuple(f"port {n + 1}" for n in range(len(E))),
        frequency_Hz=frequency_Hz,  # type: ignore[arg-type]
        stated=MARIE,
        sources=dict.fromkeys(MARIE, "what is documented of MARIE"),
        files=hashes,
        notes=("Fields of MARIE are zero outside of the body.",),
        conductivity=maps.get("conductivity"),
        density=maps.get("density"),
    )


def _marie_field(solution: Any, keys: tuple[str, str], shape: tuple[int, ...], path: Path) -> np.ndarray:
    branch = solution.get(keys[0], {}) if isinstance(solution, Mapping) else {}
    branch = branch.get("Tx") or branch.get("Rx") or branch
    if keys[1] not in branch:
        raise InputError("array missing", file=path, field=f"{SOLUTION}.{keys[0]}.Tx.{keys[1]}")
    raw = as_complex(np.asarray(branch[keys[1]]))
    raw = raw[..., None] if raw.ndim == 4 else raw
    if raw.ndim != 5 or raw.shape[:3] != tuple(shape) or raw.shape[3] not in (3, 12):
        raise InputError(
            "field does not fit the body",
            file=path,
            field=keys[1],
            found=raw.shape,
            expected=f"{(*shape, 3)} and ports",
        )
    step = raw.shape[3] // 3
    return raw[:, :, :, ::step].transpose(4, 3, 0, 1, 2)


def _plain(item: Any) -> Any:
    """A group as mapping; a dataset with the axes in MATLAB's order, which HDF5 turns round."""
    if hasattr(item, "items"):
        return {k: _plain(v) for k, v in item.items()}
    value = item[()]
    return value.T if isinstance(value, np.ndarray) else value
