"""Answers of a body to currents in a region of it, in HDF5 files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError
from emdose.io.body_answers import read_answers, write_answers
from emdose.solvers.vie.library.implant_library import ImplantLibrary
from emdose.solvers.vie.solver import Vie
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

KIND = "emdose implant library 1"
NUMBERS = ("tolerance",)
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
    write_answers(path, KIND, library, NUMBERS, ARRAYS)


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
    told, options, about, arrays = read_answers(path, KIND, "answers of a region of a body", phantom, NUMBERS, ARRAYS)
    _require_whole(arrays, phantom, path)
    own = {name: owned(a) for name, a in arrays.items()}
    return ImplantLibrary(
        phantom, told["frequency_Hz"], own["region"], Vie(**options), told["tolerance"], *_rest(own), about
    )


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
