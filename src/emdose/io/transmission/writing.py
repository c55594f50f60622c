"""Write Q-matrices and virtual observation points, with their conventions, as HDF5, NumPy archive or MATLAB file."""

from __future__ import annotations

from pathlib import Path

from emdose.dosimetry.transmission.global_forms import GlobalMatrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError
from emdose.io.transmission.formats import save
from emdose.io.transmission.records import record_of


def write_vops(
    vops: VirtualObservationPoints, path: Path | str, *, global_matrices: GlobalMatrices | None = None
) -> Path:
    """Write virtual observation points with their certificate, and the global matrices beside them.

    Parameters
    ----------
    vops : VirtualObservationPoints
        What to write.
    path : Path or str
        File name: .h5, .npz (keys ``vops``, ``global_matrix``, ``metadata``; (matrix, port, port), no pickle), or .mat
        of MATLAB 7 (``VOP``, ``Sglobal``; (port, port, matrix)). Every one states convention (v^H Q v), phasors (peak),
        time sign, unit of drives and of SAR, averaging, rule, frequency and ports.
    global_matrices : GlobalMatrices, optional
        Of the same fields.

    Raises
    ------
    InputError
        For another ending, matrices too large for MATLAB 7, or global matrices of other fields.
    OutputError
        When it cannot be written.
    """
    if not isinstance(vops, VirtualObservationPoints):
        raise InputError("no virtual observation points", found=type(vops).__name__, expected="those of em.compress")
    return save(path, record_of(vops, global_matrices))


def write_q_matrices(
    q: QMatrices | TemperatureMatrices, path: Path | str, *, global_matrices: GlobalMatrices | None = None
) -> Path:
    """Write Q-matrices or matrices of temperature, and the global ones beside them.

    Parameters
    ----------
    q : QMatrices or TemperatureMatrices
        What to write.
    path : Path or str
        File name: .h5, .npz (key ``q_matrices`` or ``temperature_matrices``) or .mat of MATLAB 7 (``Q`` or ``T``), as
        :func:`write_vops`.
    global_matrices : GlobalMatrices, optional
        Of the same fields.

    Raises
    ------
    InputError
        For another ending, matrices too large for MATLAB 7, or global matrices of other fields.
    OutputError
        When it cannot be written.
    """
    if not isinstance(q, QMatrices | TemperatureMatrices):
        raise InputError("no Q-matrices", found=type(q).__name__, expected="those of em.q_matrices")
    return save(path, record_of(q, global_matrices))
