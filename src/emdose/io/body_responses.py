"""Answers of a body to coils outside of a cylinder, in HDF5 files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.atomic import replacing
from emdose.io.disk.datasets import opened
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.vsie.library.response import BodyResponse
from emdose.solvers.vsie.solver import Vsie

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

KIND = "emdose body response 1"
ARRAYS = ("X", "applied", "reaction", "edges", "samples", "leverage")


def write_response(response: BodyResponse, path: Path | str) -> None:
    """Keep the answers of a body.

    Parameters
    ----------
    response : BodyResponse
        The answers.
    path : Path or str
        HDF5 file; it replaces one that is there.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    import h5py

    told = {
        "kind": KIND,
        "electric_sha256": response.phantom.electric_hash(response.frequency_Hz),
        "options": json.dumps(asdict(response.options)),
        "about": json.dumps(dict(response.about)),
        **{key: getattr(response, key) for key in ("frequency_Hz", "radius_m", "length_m", "error")},
    }
    with replacing(path) as there, h5py.File(there, "w") as h5:
        h5.attrs.update(told)
        for name in ARRAYS:
            value = getattr(response, name)
            h5[name] = value.get() if hasattr(value, "get") else np.asarray(value)


def read_response(path: Path | str, phantom: Phantom) -> BodyResponse:
    """Answers of a body that were kept.

    Parameters
    ----------
    path : Path or str
        File of :func:`write_response`.
    phantom : Phantom
        The body that they are of: the file holds no voxels.

    Raises
    ------
    InputError
        When it is no such file, or the answers are those of another body.
    """
    path = Path(path)
    with opened(path, hint=" (answers of a body)") as h5:
        if h5.attrs.get("kind") != KIND:
            raise InputError(
                "not a file of answers of a body", file=path, field="kind", found=h5.attrs.get("kind"), expected=KIND
            )
        told: Mapping[str, Any] = dict(h5.attrs)
        arrays = {name: h5[name][()] for name in ARRAYS}
    frequency, own = float(told["frequency_Hz"]), str(told["electric_sha256"])
    if phantom.electric_hash(frequency) != own:
        raise InputError(
            "the answers are those of another body",
            file=path,
            field="phantom",
            found=f"hash {phantom.electric_hash(frequency)[:12]}",
            expected=f"hash {own[:12]}: the same tissues, voxels and place",
        )
    options = json.loads(told["options"])
    solver = Vsie(**{**options, "mesh": MeshOptions(**options["mesh"])})
    radius, length, error = (float(told[key]) for key in ("radius_m", "length_m", "error"))
    more: dict[str, Any] = {**arrays, "about": json.loads(told["about"])}
    return BodyResponse(phantom, frequency, radius, length, error, solver, **more)
