"""Answers of a body to coils outside of a cylinder, in HDF5 files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.io.body_answers import read_answers, write_answers
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.vsie.library.response import BodyResponse
from emdose.solvers.vsie.solver import Vsie

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

KIND = "emdose body response 1"
NUMBERS = ("radius_m", "length_m", "error")
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
    write_answers(path, KIND, response, NUMBERS, ARRAYS)


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
    told, options, about, arrays = read_answers(Path(path), KIND, "answers of a body", phantom, NUMBERS, ARRAYS)
    solver = Vsie(**{**options, "mesh": MeshOptions(**options["mesh"])})
    f, radius, length, error = (told[key] for key in ("frequency_Hz", *NUMBERS))
    more: dict[str, Any] = {**arrays, "about": about}
    return BodyResponse(phantom, f, radius, length, error, solver, **more)
