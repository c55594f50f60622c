"""Read Q-matrices and virtual observation points, of emdose and, with a named convention, of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.dosimetry.transmission.global_forms import WHOLE, GlobalMatrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError
from emdose.io.transmission.conventions import (
    FORWARD,
    GLOBAL_NAMES,
    NAMES,
    PARTS,
    Convention,
    require_forms,
    stack,
)
from emdose.io.transmission.formats import load
from emdose.io.transmission.records import MatrixRecord, averaging_mass_kg, powers_of
from emdose.io.transmission.words import (
    certificate_of,
    grid_of,
    number_of,
    sources_of,
    text_of,
    texts_of,
    time_of,
    unit_of,
    voxels_of,
)
from emdose.models.grids.grid import Grid
from emdose.values import owned


def read_vops(
    path: Path | str,
    convention: str | None = None,
    *,
    phasor: str | None = None,
    drive_unit: str | None = None,
    averaging: str | None = None,
    time: str | None = None,
    scale: float = 1.0,
    frequency_Hz: float | None = None,
    ports: int | Sequence[str] | Any = None,
    power_W: np.ndarray | None = None,
    group: str = "/",
) -> VirtualObservationPoints:
    """Virtual observation points, of SAR or temperature, from a file of emdose or of another program.

    Parameters
    ----------
    path : Path or str
        HDF5 (also MATLAB 7.3), .npz, or .mat with matrices named ``vops``, ``VOP``, ``VOPm``, ``VOPs``,
        ``VOP_matrices``, ``Q10g``, ``Q``, ``ZZ`` or ``matrices``, real or complex.
    convention : {"vHQv", "vTQv*"}, optional
        How SAR is made of them; needed where the file does not say it and no power matrix tells it.
    phasor : {"peak", "rms"}, optional
        What their drives are; needed where the file does not say it.
    drive_unit : str, optional
        Unit of their drives, such as "V"; needed where the file does not say it.
    averaging : str, optional
        "10 g", "1 g" or "point"; needed where the file does not say it.
    time : {"exp(+jwt)", "exp(-jwt)"}, optional
        Sign of the phasors of their drives; the first, where the file says nothing.
    scale : float
        Factor to W/kg per squared drive unit, such as 1/density for those of power density.
    frequency_Hz : float, optional
        Frequency that is wanted [Hz].
    ports : int, sequence of str, Fields or a coil, optional
        The channels that are wanted, in order.
    power_W : (port, port) complex ndarray, optional
        Power matrix of the same ports in the convention of emdose, up to a factor, such as I - S^H S: with a global
        matrix in the file (``global_matrix``, ``Sglobal``, ``Qglobal``, ``Q_global``) it tells Q from its transpose.
    group : str
        Group of an HDF5 file, such as one of a result.

    Returns
    -------
    VirtualObservationPoints
        In the convention of emdose; with the certificate where the file holds one.

    Raises
    ------
    InputError
        For what is no such file, a convention that nobody named, matrices that are not Hermitian or not positive, and
        other channels or another field strength than wanted.
    """
    file = Path(path)
    record = load(file, group)
    name, matrices, whole = _found(record, file, NAMES)
    given = {"convention": convention, "phasor": phasor, "drive_unit": drive_unit, "averaging": averaging}
    said = Convention(record, file, {**given, "time": time, "scale": scale}, power_W, whole)
    V = require_forms(said.of(matrices), file, name).astype(complex)
    V = 0.5 * (V + V.conj().swapaxes(1, 2))
    unit = unit_of(record, file, scale)
    certificate = certificate_of(record, len(V), file)
    return VirtualObservationPoints(
        owned(V),
        said.ports(V.shape[1], ports),
        said.drive_unit,
        number_of(record, "overestimate", file, number_of(record, "compression_margin", file)),
        text_of(record, "method", file, "unknown"),
        certificate["chosen"],
        certificate["combination"],
        certificate["coefficients"],
        number_of(record, "largest", file) * said.factor,
        rule=text_of(record, "rule", file),
        averaging_mass_kg=averaging_mass_kg(said.averaging, file),
        frequency_Hz=said.frequency_Hz(frequency_Hz),
        unit=unit,
        time_s=time_of(record, file) if unit == "K" else None,
        assumptions=texts_of(record, "assumptions", file),
        **sources_of(record, len(certificate["combination"]), file),
    )


def read_q_matrices(
    path: Path | str,
    *,
    frequency_Hz: float | None = None,
    ports: int | Sequence[str] | Any = None,
    group: str = "/",
) -> QMatrices:
    """Q-matrices from a file of :func:`write_q_matrices`.

    Parameters
    ----------
    path : Path or str
        .h5, .npz or .mat.
    frequency_Hz, ports, group
        As of :func:`read_vops`.

    Raises
    ------
    InputError
        As :func:`read_vops`, and for a file without voxels.
    """
    record, said, Q, voxel, grid = _of_voxels(Path(path), group, "q_matrices", "W/kg")
    return QMatrices(
        Q,
        voxel,
        grid,
        said.ports(Q.shape[1], ports),
        said.drive_unit,
        text_of(record, "rule", Path(path)),
        averaging_mass_kg(said.averaging, path),
        said.frequency_Hz(frequency_Hz),
    )


def read_temperature_matrices(
    path: Path | str,
    *,
    frequency_Hz: float | None = None,
    ports: int | Sequence[str] | Any = None,
    group: str = "/",
) -> TemperatureMatrices:
    """Matrices of the rise of temperature from a file of :func:`write_q_matrices`.

    Parameters
    ----------
    path : Path or str
        .h5, .npz or .mat.
    frequency_Hz, ports, group
        As of :func:`read_vops`.

    Raises
    ------
    InputError
        As :func:`read_vops`, for a file without voxels, and where nobody says how long drives are on.
    """
    file = Path(path)
    record, said, T, voxel, grid = _of_voxels(file, group, "temperature_matrices", "K")
    provenance = record.told.get("provenance") or {}
    return TemperatureMatrices(
        T,
        voxel,
        grid,
        said.ports(T.shape[1], ports),
        said.drive_unit,
        time_of(record, file),
        text_of(record, "rule", file),
        text_of(record, "solved_for", file, "unknown"),
        frequency_Hz=said.frequency_Hz(frequency_Hz),
        time_error=number_of(record, "time_error", file, 0.0),
        raised=number_of(record, "raised", file, 0.0),
        assumptions=texts_of(record, "assumptions", file),
        provenance=provenance if isinstance(provenance, dict) else {},
    )


def read_global_matrices(
    path: Path | str,
    convention: str | None = None,
    *,
    phasor: str | None = None,
    drive_unit: str | None = None,
    time: str | None = None,
    scale: float = 1.0,
    frequency_Hz: float | None = None,
    ports: int | Sequence[str] | Any = None,
    power_W: np.ndarray | None = None,
    group: str = "/",
) -> GlobalMatrices:
    """Global matrices that stand beside virtual observation points or Q-matrices in a file.

    Parameters
    ----------
    path : Path or str
        The file; ``global_matrix``, ``Sglobal``, ``Qglobal`` or ``Q_global`` in those of other programs.
    convention, phasor, drive_unit, time, scale, frequency_Hz, ports, power_W, group
        As of :func:`read_vops`.

    Returns
    -------
    GlobalMatrices
        Masses are NaN where the file holds none.

    Raises
    ------
    InputError
        As :func:`read_vops`, and for a file without global matrices.
    """
    file = Path(path)
    record = load(file, group)
    name, matrices, whole = _found(record, file, GLOBAL_NAMES)
    given = {"convention": convention, "phasor": phasor, "drive_unit": drive_unit, "averaging": "point"}
    said = Convention(
        MatrixRecord(record.arrays, {k: v for k, v in record.told.items() if k != "averaging"}, record.source),
        file,
        {**given, "time": time, "scale": scale},
        power_W,
        whole,
    )
    G = require_forms(said.of(matrices), file, name).astype(complex)
    names = texts_of(record, "bodies", file)
    if len(names) != len(G):
        names = (WHOLE, *(f"part {k}" for k in range(1, len(G))))
    definitions = texts_of(record, "definitions", file)
    masses = np.asarray(record.arrays.get("global_mass_kg", np.full(len(G), np.nan))).reshape(-1)
    if masses.shape != (len(G),) or masses.dtype.kind not in "iuf":
        raise InputError("masses do not fit the matrices", file=file, field="global_mass_kg", found=masses.shape)
    powers = {
        key: require_forms(said.of(stack(m, "hdf5", file, key)), file, key, positive=False)[0].astype(complex)
        for key, m in powers_of(record, texts_of(record, "powers", file)).items()
    }
    return GlobalMatrices(
        names,
        owned(G),
        owned(masses.copy()),
        definitions if len(definitions) == len(G) else ("",) * len(G),
        powers,
        said.ports(G.shape[1], ports),
        said.drive_unit,
        text_of(record, "rule", file),
        said.frequency_Hz(frequency_Hz),
    )


def _of_voxels(
    file: Path, group: str, name: str, unit: str
) -> tuple[MatrixRecord, Convention, np.ndarray, np.ndarray, Grid]:
    """Matrices of voxels of a file of this program: record, convention, matrices, voxels, grid."""
    record = load(file, group)
    for key in (name, "voxel"):
        if key not in record.arrays:
            expected = "a file of em.write_q_matrices; em.read_vops reads those of others"
            raise InputError("no such matrices of voxels in this file", file=file, field=key, expected=expected)
    if unit_of(record, file) != unit:
        raise InputError("matrices of another quantity", file=file, field="unit", found=unit_of(record, file))
    said = Convention(record, file, {})
    Q = require_forms(said.of(stack(record.arrays[name], "hdf5", file, name)), file, name)
    grid = grid_of(record, file)
    return record, said, owned(np.ascontiguousarray(Q)), voxels_of(record, len(Q), grid, file), grid


def _found(record: MatrixRecord, file: Path, names: Sequence[str]) -> tuple[str, np.ndarray, np.ndarray | None]:
    """Name and stack of the first array of some names, and the whole-body matrix beside it."""
    whole = next((n for n in GLOBAL_NAMES if n in record.arrays), None)
    G = None if whole is None else stack(record.arrays[whole], record.source, file, whole)[0]
    name = next((n for n in names if n in record.arrays), None)
    if name is None:
        held = ", ".join(record.arrays) or "nothing"
        raise InputError("no matrices of a known name", file=file, found=held, expected=", ".join(names))
    source = "hdf5" if "kind" in record.told else record.source
    matrices = stack(record.arrays[name], source, file, name)
    kinds = record.arrays.get(f"{name}type")
    if kinds is not None and np.size(kinds) == len(matrices):
        kept = ~np.isin(np.asarray(kinds).reshape(-1), (PARTS, FORWARD))
        matrices = matrices[kept]
        if not len(matrices):
            raise InputError("no matrices of local SAR", file=file, field=f"{name}type", expected="one or more")
    return name, matrices, G
