"""Fields that CoSimPy exports for ParaView: a .xmf file and the HDF5 file that holds the numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.datasets import opened
from emdose.io.foreign.joining import rectilinear
from emdose.io.foreign.values import ForeignFields

KNOWN = {
    "time": "exp(+jwt)",
    "amplitude": "rms",
    "drive": "sqrt(W)",
    "magnetic": "T",
    "components": "xyz",
    "positions": "points",
}
"""What its documentation says; each import from another program may have brought something else."""
DENSITY, CONDUCTIVITY = ("density", "massdensity", "mass_density", "rho"), ("conductivity", "elcond", "sigma")
NOTES = (
    "CoSimPy's export has no voxel size: its coordinates count voxels, and the length of one must be named.",
    "CoSimPy's export writes the frequency in whole MHz: the true one must be named.",
)
NO_DENSITY = "CoSimPy's Q-matrices and VOPs hold no density: theirs are W/m^3, and no SAR."


def is_cosimpy(h5: Any) -> bool:
    """Whether an open HDF5 file is one of these."""
    return "Mesh" in h5 and "Nodes_X" in h5["Mesh"]


def read(path: Path, frequency_Hz: float | None, hashes: Mapping[str, str]) -> ForeignFields:
    """The fields in such an HDF5 file.

    Raises
    ------
    InputError
        When the nodes are no rectilinear grid, ports differ, or the frequency is not named.

    Notes
    -----
    "Mesh/Nodes_X|Y|Z"; "<MHz>_MHz/Port_<p>/Ereal|Eimag|Breal|Bimag" (cells, 3), x fastest; "Properties/<name>".

    Source: ``exportXMF`` of CoSimPy 2.0.0 (MIT licence).
    """
    with opened(path) as h5:
        nodes = np.stack([np.asarray(h5["Mesh"][f"Nodes_{c}"][()], float).ravel() for c in "XYZ"], axis=1)
        groups = [k for k in h5 if re.fullmatch(r"\d+_MHz", k)]
        if len(groups) != 1:
            raise InputError("not one frequency", file=path, found=groups, expected="a group such as 128_MHz")
        if frequency_Hz is None:
            raise InputError(
                "the frequency is cut to whole MHz in this file",
                file=path,
                field="frequency_Hz",
                found=groups[0],
                expected="frequency_Hz = ..., in hertz",
            )
        group = h5[groups[0]]
        ports = sorted(group, key=lambda n: int(re.sub(r"\D", "", n) or 0))
        raw = {
            kind: [group[p][f"{kind}real"][()] + 1j * group[p][f"{kind}imag"][()] for p in ports]
            for kind in "EB"
            if any(f"{kind}real" in group[p] for p in ports)
        }
        held = h5.get("Properties", {})
        properties = {re.sub(r"\W", "", k.lower()): np.asarray(held[k][()], float) for k in held}
    corners, _ = rectilinear(nodes, path)
    axes = tuple(0.5 * (a[1:] + a[:-1]) for a in corners)
    shape = tuple(len(a) for a in axes)

    def on_grid(values: np.ndarray) -> np.ndarray:
        if len(values) != np.prod(shape):
            raise InputError("field does not fit the mesh", file=path, found=values.shape, expected=f"{shape} cells")
        return np.stack([v.reshape(shape, order="F") for v in values.reshape(len(values), -1).T])

    fields = {k: np.stack([on_grid(np.asarray(v)) for v in vs]) for k, vs in raw.items()}
    maps = {}
    for name, keys in (("conductivity", CONDUCTIVITY), ("density", DENSITY)):
        key = next((k for k in properties if k in keys), None)
        if key is not None:
            maps[name] = on_grid(properties[key])[0]
    notes = NOTES if "density" in maps else (*NOTES, NO_DENSITY)
    return ForeignFields(
        program="CoSimPy",
        axes=(axes[0], axes[1], axes[2]),
        E=fields.get("E"),
        magnetic=fields.get("B"),
        ports=tuple(p.replace("_", " ").lower() for p in ports),
        frequency_Hz=frequency_Hz,
        stated=KNOWN,
        sources=dict.fromkeys(KNOWN, "what is documented of CoSimPy"),
        files=hashes,
        notes=notes,
        conductivity=maps.get("conductivity"),
        density=maps.get("density"),
    )
