"""What a body answers to sources, in HDF5 files: arrays, the solver that found them, and the hash of the body."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.atomic import replacing
from emdose.io.disk.datasets import opened

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


def write_answers(path: Path | str, kind: str, answers: Any, numbers: Sequence[str], arrays: Sequence[str]) -> None:
    """Keep answers that have ``phantom``, ``frequency_Hz``, ``options`` and ``about``.

    Parameters
    ----------
    path : Path or str
        HDF5 file; it replaces one that is there.
    kind : str
        What the file says that it is.
    answers : object
        What is kept.
    numbers, arrays : sequence of str
        Names of its further numbers and of its arrays.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    import h5py

    told = {
        "kind": kind,
        "electric_sha256": answers.phantom.electric_hash(answers.frequency_Hz),
        "options": json.dumps(asdict(answers.options)),
        "about": json.dumps(dict(answers.about)),
        **{key: getattr(answers, key) for key in ("frequency_Hz", *numbers)},
    }
    with replacing(path) as there, h5py.File(there, "w") as h5:
        h5.attrs.update(told)
        for name in arrays:
            value = getattr(answers, name)
            h5[name] = value.get() if hasattr(value, "get") else np.asarray(value)


def read_answers(
    path: Path, kind: str, what: str, phantom: Phantom, numbers: Sequence[str], arrays: Sequence[str]
) -> tuple[dict[str, float], dict[str, Any], Mapping[str, Any], dict[str, np.ndarray]]:
    """Numbers, options of the solver, provenance and arrays of answers that were kept.

    Parameters
    ----------
    path : Path
        File of :func:`write_answers`.
    kind, what : str
        What the file must say that it is, and that in words for errors.
    phantom : Phantom
        The body that they are of.
    numbers, arrays : sequence of str
        As of :func:`write_answers`.

    Raises
    ------
    InputError
        When it is no such file or damaged, or the answers are those of another body.
    """
    with opened(path, hint=f" ({what})") as h5:
        if h5.attrs.get("kind") != kind:
            raise InputError(
                f"not a file of {what}", file=path, field="kind", found=h5.attrs.get("kind"), expected=kind
            )
        found = {name: h5[name][()] for name in arrays}
        told = {key: float(h5.attrs[key]) for key in ("frequency_Hz", *numbers)}
        own = str(h5.attrs["electric_sha256"])
        options, about = json.loads(h5.attrs["options"]), json.loads(h5.attrs["about"])
    now = phantom.electric_hash(told["frequency_Hz"])
    if now != own:
        raise InputError(
            "the answers are those of another body",
            file=path,
            field="phantom",
            found=f"hash {now[:12]}",
            expected=f"hash {own[:12]}: the same tissues, voxels and place",
        )
    return told, options, about, found
