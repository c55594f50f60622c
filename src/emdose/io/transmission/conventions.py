r"""Matrices of any convention as those of emdose: SAR = v^H Q v, peak phasors of exp(+jwt), W/kg per drive squared.

Others use :math:`v^T A v^*`, so that Q is the transpose of A, which is its conjugate; phasors of exp(-jwt), the
conjugates of all drives; or rms phasors, so that Q is A / 2 for peak ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import is_number, one_of
from emdose.checks import positive as above_zero
from emdose.dosimetry.transmission.global_forms import power_consistency
from emdose.errors import InputError
from emdose.io.transmission.records import CONVENTIONS, MatrixRecord

NAMES = ("vops", "VOP", "VOPm", "VOPs", "VOP_matrices", "Q10g", "Q", "ZZ", "matrices")
"""What other programs call their matrices."""
GLOBAL_NAMES = ("global_matrix", "Sglobal", "Qglobal", "Q_global")
PHASORS = {"peak": 1.0, "rms": 0.5}
TIMES = ("exp(+jwt)", "exp(-jwt)")
SKEW, NEGATIVE = 1e-5, 1e-5
"""Parts of the largest entry and of the trace up to which matrices are Hermitian and positive: single precision."""
FREQUENCY = 0.01
"""Fields of frequencies that differ by more are those of another field strength."""
PARTS, FORWARD = 6, 8
"""ZZtype of matrices that are no local SAR: parts of the body, and forward power."""


def stack(values: np.ndarray, source: str, file: Path, name: str) -> np.ndarray:
    """Matrices (matrix, port, port) of an array that lists them along its first or last axis.

    Raises
    ------
    InputError
        When it is no stack of square matrices.
    """
    a = np.asarray(values)
    if a.ndim == 2 and a.shape[0] == a.shape[1] > 0:
        return a[None]
    if a.ndim != 3 or 0 in a.shape or not (a.shape[0] == a.shape[1] or a.shape[1] == a.shape[2]):
        raise InputError(
            "not a stack of square matrices", file=file, field=name, found=a.shape, expected="(n, n, count)"
        )
    first, last = a.shape[1] == a.shape[2], a.shape[0] == a.shape[1]
    if first and last:
        first = source != "mat"
    return a if first else np.moveaxis(a, -1, 0)


def require_forms(matrices: np.ndarray, file: Path, name: str, positive: bool = True) -> np.ndarray:
    """The matrices; raises InputError unless all are finite, Hermitian and, if that is asked for, not negative."""
    if matrices.dtype.kind not in "iufc" or not np.all(np.isfinite(matrices)):
        raise InputError("matrices hold a value that is not finite", file=file, field=name)
    skew = np.abs(matrices - matrices.conj().swapaxes(1, 2)).max(axis=(1, 2))
    size = np.abs(matrices).max(axis=(1, 2))
    bad = skew > SKEW * size
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError("matrix is not Hermitian", file=file, field=name, found=f"matrix {at}", expected="Q = Q^H")
    if not positive:
        return matrices
    least = np.linalg.eigvalsh(matrices)[:, 0]
    low = least + NEGATIVE * np.trace(matrices, axis1=1, axis2=2).real < 0
    if low.any():
        at = int(np.argmax(low))
        found = f"eigenvalue {least[at]:.3g} of matrix {at}"
        raise InputError("matrix is not positive", file=file, field=name, found=found, expected="no SAR below 0")
    return matrices


class Convention:
    """How the matrices of a file are meant, by what it says and what its reader says.

    Parameters
    ----------
    record : MatrixRecord
        The file.
    file : Path
        Its name, for errors.
    given : mapping of str to object
        "convention", "phasor", "time", "drive_unit", "averaging", "frequency_Hz", "ports" and "scale" of the reader;
        None is nothing said.
    power_W : (port, port) complex ndarray, optional
        Power matrix in the convention of emdose.
    global_matrix : (port, port) complex ndarray, optional
        Whole-body matrix of the file, as it stands there.

    Raises
    ------
    InputError
        For what nobody said, and where file, reader and power matrix disagree.
    """

    def __init__(
        self,
        record: MatrixRecord,
        file: Path,
        given: Mapping[str, Any],
        power_W: np.ndarray | None = None,
        global_matrix: np.ndarray | None = None,
    ) -> None:
        told = dict(record.told)
        if "frequency_hz" in told:
            told.setdefault("frequency_Hz", told["frequency_hz"])
        self.told, self.file = told, file
        choices = {"convention": CONVENTIONS, "phasor": tuple(PHASORS), "time": TIMES}
        found: dict[str, Any] = {"time": TIMES[0]}
        for name in ("convention", "phasor", "time", "drive_unit", "averaging"):
            words, asked = told.get(name), given.get(name)
            if asked is not None and name in choices and asked != "unknown":
                one_of(name, asked, choices[name], problem=f"unknown {name}")
            if words is not None and name in choices and words not in choices[name]:
                raise InputError(
                    f"unknown {name}", file=file, field=name, found=words, expected=" or ".join(choices[name])
                )
            if words is not None and asked is not None and str(words) != str(asked):
                raise InputError(f"the file states another {name}", file=file, field=name, found=words, expected=asked)
            value = words if words is not None else asked
            if value is not None and value != "unknown":
                found[name] = value
        if power_W is not None:
            found["convention"] = self._by_power(found, power_W, global_matrix)
        missing = [n for n in ("convention", "phasor", "drive_unit", "averaging") if n not in found]
        if missing:
            raise InputError(
                f"the file does not say its {', '.join(missing)}",
                file=file,
                expected='arguments such as convention="vHQv" or "vTQv*", phasor="peak", drive_unit="V"',
                hint="files with ZZ of a scanner are v^T Q v^*" if "ZZ" in record.arrays else None,
            )
        self.drive_unit, self.averaging = str(found["drive_unit"]), found["averaging"]
        self.conjugated = (found["convention"] == CONVENTIONS[1]) != (found["time"] == TIMES[1])
        self.factor = PHASORS[found["phasor"]] * above_zero("scale", given.get("scale", 1.0))

    def of(self, matrices: np.ndarray) -> np.ndarray:
        """Matrices in the convention of emdose."""
        out = np.asarray(matrices, np.result_type(matrices.dtype, np.complex64))
        if self.conjugated:
            out = out.conj()
        return out if self.factor == 1 else out * self.factor

    def ports(self, n: int, wanted: Any) -> tuple[str, ...]:
        """Names of the channels.

        Parameters
        ----------
        n : int
            How many the matrices have.
        wanted : None, int, sequence of str, or an object with ports
            Those of the coil.

        Raises
        ------
        InputError
            When file and coil differ.
        """
        listed = self.told.get("ports")
        own = tuple(map(str, listed)) if isinstance(listed, list) and len(listed) == n else ()
        if wanted is None:
            return own or tuple(f"channel {k + 1}" for k in range(n))
        wanted = getattr(wanted, "ports", wanted)
        count = wanted if isinstance(wanted, int) else len(wanted)
        if count != n:
            raise InputError("channels differ", file=self.file, field="ports", found=n, expected=f"{count} of the coil")
        if isinstance(wanted, int):
            return own or tuple(f"channel {k + 1}" for k in range(n))
        names = tuple(map(str, wanted))
        if own and own != names:
            raise InputError(
                "channels differ", file=self.file, field="ports", found=", ".join(own), expected=", ".join(names)
            )
        return names

    def frequency_Hz(self, wanted: float | None) -> float | None:
        """Frequency of file and reader; raises InputError where they are those of two field strengths."""
        own = self.told.get("frequency_Hz")
        if own is not None:
            own = above_zero("frequency_Hz", own) if is_number(own) else None
        if wanted is None:
            return own
        above_zero("frequency_Hz", wanted)
        if own is not None and abs(own - wanted) > FREQUENCY * wanted:
            raise InputError(
                "matrices of another field strength",
                file=self.file,
                field="frequency_Hz",
                found=f"{own / 1e6:.6g} MHz",
                expected=f"{wanted / 1e6:.6g} MHz",
            )
        return own if own is not None else float(wanted)

    def _by_power(self, found: Mapping[str, Any], power_W: np.ndarray, global_matrix: np.ndarray | None) -> str:
        """The convention for which the global matrix of the file goes with a power matrix."""
        if global_matrix is None:
            raise InputError("no global matrix to hold against the power matrix", file=self.file, field="power_W")
        told = power_consistency(global_matrix, power_W, fit=True)
        name = told.convention
        if found["time"] == TIMES[1] and name in CONVENTIONS:
            name = CONVENTIONS[1 - CONVENTIONS.index(name)]
        stated = found.get("convention")
        if name == "unknown" and stated is None:
            misfits = f"misfit {told.difference:.3g}, transposed {told.transposed:.3g}"
            raise InputError(
                "the power matrix does not tell Q from Q^T", file=self.file, field="power_W", found=misfits
            )
        if stated is not None and name not in ("unknown", stated):
            raise InputError(
                "the power matrix says another convention",
                file=self.file,
                field="convention",
                found=stated,
                expected=name,
            )
        return name if stated is None else str(stated)
