"""Read Q-matrices and virtual observation points, of emdose and, with a named convention, of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import is_number
from emdose.dosimetry.transmission.global_forms import WHOLE, GlobalMatrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.sample_margins import SampleMargin
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
from emdose.io.transmission.records import CERTIFICATE, MatrixRecord, averaging_mass_kg, powers_of
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
    """Virtual observation points from a file of emdose or of another program.

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
    told, arrays = record.told, record.arrays
    certificate: dict[str, np.ndarray] = {
        "chosen": np.empty(0, np.int64),
        "combination": np.empty(0, np.int32),
        "coefficients": np.empty((0, len(V))),
    }
    if all(key in arrays for key in CERTIFICATE):
        certificate = {key: np.asarray(arrays[key]) for key in CERTIFICATE}
        _require_certificate(certificate, len(V), file)
    sources = _sources(record, len(certificate["combination"]), file)
    return VirtualObservationPoints(
        owned(V),
        said.ports(V.shape[1], ports),
        said.drive_unit,
        float(told.get("overestimate", told.get("compression_margin", np.nan))),
        str(told.get("method", "unknown")),
        owned(certificate["chosen"]),
        owned(certificate["combination"]),
        owned(certificate["coefficients"]),
        largest=float(told.get("largest", np.nan)) * said.factor,
        rule=str(told.get("rule", "")),
        averaging_mass_kg=averaging_mass_kg(said.averaging, file),
        frequency_Hz=said.frequency_Hz(frequency_Hz),
        unit="W/kg",
        **sources,
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
    file = Path(path)
    record = load(file, group)
    for key in ("q_matrices", "voxel"):
        if key not in record.arrays:
            expected = "a file of em.write_q_matrices; em.read_vops reads those of others"
            raise InputError("no Q-matrices of voxels in this file", file=file, field=key, expected=expected)
    matrices = stack(record.arrays["q_matrices"], "hdf5", file, "q_matrices")
    said = Convention(record, file, {})
    Q = require_forms(said.of(matrices), file, "q_matrices")
    voxel = np.asarray(record.arrays["voxel"])
    grid = _grid(record, file)
    if voxel.shape != (len(Q),) or voxel.dtype.kind not in "iu" or voxel.min() < 0 or voxel.max() >= grid.size:
        raise InputError("voxels do not fit matrices and grid", file=file, field="voxel", found=voxel.shape)
    return QMatrices(
        owned(np.ascontiguousarray(Q)),
        owned(voxel.copy()),
        grid,
        said.ports(Q.shape[1], ports),
        said.drive_unit,
        str(record.told.get("rule", "")),
        averaging_mass_kg(said.averaging, file),
        said.frequency_Hz(frequency_Hz),
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
    names = tuple(map(str, record.told.get("bodies") or ()))
    if len(names) != len(G):
        names = (WHOLE, *(f"part {k}" for k in range(1, len(G))))
    definitions = tuple(map(str, record.told.get("definitions") or ()))
    masses = np.asarray(record.arrays.get("global_mass_kg", np.full(len(G), np.nan)), float).reshape(-1)
    if masses.shape != (len(G),):
        raise InputError("masses do not fit the matrices", file=file, field="global_mass_kg", found=masses.shape)
    powers = {
        key: require_forms(said.of(np.asarray(m)[None]), file, key, positive=False)[0].astype(complex)
        for key, m in powers_of(record).items()
    }
    return GlobalMatrices(
        names,
        owned(G),
        owned(masses.copy()),
        definitions if len(definitions) == len(G) else ("",) * len(G),
        powers,
        said.ports(G.shape[1], ports),
        said.drive_unit,
        str(record.told.get("rule", "")),
        said.frequency_Hz(frequency_Hz),
    )


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
    return name, matrices, G


def _grid(record: MatrixRecord, file: Path) -> Grid:
    told: Any = record.told.get("grid")
    try:
        shape: Any = tuple(int(n) for n in told["shape"])
        spacing, origin = (tuple(float(x) for x in told[key]) for key in ("spacing_m", "origin_m"))
        return Grid(shape, spacing, origin)  # type: ignore[arg-type]
    except (TypeError, KeyError, ValueError):
        raise InputError("no grid in this file", file=file, field="grid", found=told) from None


def _sources(record: MatrixRecord, count: int, file: Path) -> dict[str, Any]:
    """The sets that were merged, the margin, and whether limits of parts of the body are needed beside them."""
    told, key = record.told, "requires_global_limit"
    names, counts = told.get("sources") or [], told.get("counts") or []
    fits = isinstance(names, list) and isinstance(counts, list) and len(names) == len(counts)
    fits = fits and all(isinstance(n, int) and n >= 0 for n in counts)
    if not fits or (names and sum(counts) != count):
        raise InputError("sources do not make up the certificate", file=file, field="counts", found=counts)
    ratios, needed = told.get("global_ratios") or {}, told.get(key, True)
    if np.size(record.arrays.get(key, ())) == 1:
        needed = np.asarray(record.arrays[key]).item()
    if not isinstance(ratios, dict) or not all(is_number(x) and x > 0 for x in ratios.values()):
        raise InputError("bad ratios of limits", file=file, field="global_ratios", found=ratios, expected="numbers > 0")
    if needed not in (0, 1):
        raise InputError("neither yes nor no", file=file, field=key, found=needed)
    margin = None
    if "margin_factors" in record.arrays:
        margin = SampleMargin.of(record.arrays["margin_factors"], told.get("margin_coverage"))  # type: ignore[arg-type]
        if told.get("margin_factor") != margin.factor:
            found = told.get("margin_factor")
            raise InputError("another margin than of its samples", file=file, field="margin_factor", found=found)
    return {
        "margin": margin,
        "sources": tuple(map(str, names)),
        "counts": tuple(counts),
        "requires_global_limit": bool(needed),
        "global_ratios": {str(k): float(x) for k, x in ratios.items()},
    }


def _require_certificate(certificate: dict[str, np.ndarray], count: int, file: Path) -> None:
    c, bound, chosen = (certificate[key] for key in ("coefficients", "combination", "chosen"))
    good = c.ndim == 2 and c.shape[1] == count and bound.ndim == 1 and bound.dtype.kind in "iu"
    good = good and chosen.dtype.kind in "iu" and c.dtype.kind == "f" and bool(np.all(np.isfinite(c)))
    if not good or (bound.size and (bound.min() < 0 or bound.max() >= len(c))):
        raise InputError("certificate does not fit the matrices", file=file, field="combination", found=bound.shape)
