"""Answers of a body to currents in a region of it, in HDF5 files."""

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
from emdose.solvers.vie.library.implant_library import ImplantLibrary
from emdose.solvers.vie.solver import Vie
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

KIND = "emdose implant library 1"
ARRAYS = ("region", "edges", "near", "answers")


def write_implant_library(library: ImplantLibrary, path: Path | str) -> None:
    """Keep the answers of a region of a body.

    Parameters
    ----------
    library : ImplantLibrary
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
        "electric_sha256": library.phantom.electric_hash(library.frequency_Hz),
        "options": json.dumps(asdict(library.options)),
        "about": json.dumps(dict(library.about)),
        "frequency_Hz": library.frequency_Hz,
        "tolerance": library.tolerance,
    }
    with replacing(path) as there, h5py.File(there, "w") as h5:
        h5.attrs.update(told)
        for name in ARRAYS:
            h5[name] = getattr(library, name)


def read_implant_library(path: Path | str, phantom: Phantom) -> ImplantLibrary:
    """Answers of a region of a body that were kept.

    Parameters
    ----------
    path : Path or str
        File of :func:`write_implant_library`.
    phantom : Phantom
        The body that they are of: the file holds no tissue.

    Raises
    ------
    InputError
        When it is no such file or damaged, or the answers are those of another body.
    """
    path = Path(path)
    with opened(path, hint=" (answers of a region of a body)") as h5:
        if h5.attrs.get("kind") != KIND:
            raise InputError(
                "not a file of answers of a region", file=path, field="kind", found=h5.attrs.get("kind"), expected=KIND
            )
        told: Mapping[str, Any] = dict(h5.attrs)
        arrays = {name: owned(h5[name][()]) for name in ARRAYS}
        frequency, tolerance, own = (
            float(told["frequency_Hz"]),
            float(told["tolerance"]),
            str(told["electric_sha256"]),
        )
        options, about = Vie(**json.loads(told["options"])), json.loads(told["about"])
    if phantom.electric_hash(frequency) != own:
        raise InputError(
            "the answers are those of another body",
            file=path,
            field="phantom",
            found=f"hash {phantom.electric_hash(frequency)[:12]}",
            expected=f"hash {own[:12]}: the same tissues, voxels and place",
        )
    _require_whole(arrays, phantom, path)
    return ImplantLibrary(phantom, frequency, arrays["region"], options, tolerance, *_rest(arrays), about)


def _rest(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return arrays["edges"], arrays["near"], arrays["answers"]


def _require_whole(arrays: Mapping[str, np.ndarray], phantom: Phantom, path: Path) -> None:
    """Raise InputError for arrays that do not fit each other, or hold what is no number."""
    region, (edges, near, answers) = arrays["region"], _rest(arrays)
    kinds = (region.dtype.kind, edges.dtype.kind, near.dtype.kind, answers.dtype.kind)
    fits = kinds == ("b", "i", "c", "c") and region.shape == phantom.grid.shape and edges.ndim == 1
    fits = fits and near.shape == (len(edges), len(edges)) and answers.ndim == 2 and len(answers) in (0, len(edges))
    if not fits:
        shapes = {name: a.shape for name, a in arrays.items()}
        raise InputError("arrays of a library that do not fit each other", file=path, found=shapes)
    if not np.isfinite(near).all() or not np.isfinite(answers).all():
        raise InputError("answers that are no numbers: the file is damaged", file=path, field="near")
