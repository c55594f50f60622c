"""Tier 3 of a lead: its transfer function with tangential fields along many paths in many exposures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import one_of, within
from emdose.dosimetry.leads.tangential import PathPieces
from emdose.errors import InputError
from emdose.models.leads import Lead, TransferFunction
from emdose.models.leads.transfer_function import PLUS
from emdose.solvers.results.fields import Fields, named_drive
from emdose.values import owned, read_only

SAME_LENGTH = 0.05
"""Part by which a path may be longer or shorter than the lead of the transfer function."""


@read_only(units={"induced": "{response_unit}"})
@dataclass(frozen=True, eq=False)
class Tier3Result:
    """What a lead makes of fields along paths.

    Parameters
    ----------
    induced : (path, case) complex ndarray
        int S E_tan dl of every drive of every exposure, of peak fields.
    quantity : (path, case) ndarray
        A abs(int S E_tan dl)^2 [``unit``].
    cases : tuple of str
        Exposure and drive of every column.
    ports : mapping of str to (path, port) complex ndarray
        int S E_tan dl of every port at unit drive, by exposure.
    scale : float
        A for peak fields [``unit``]; 1 where the transfer function has none.
    name : str
        What the quantity is.
    unit : str
        Its unit.
    response_unit : str
        Unit of ``induced``.
    """

    induced: np.ndarray
    quantity: np.ndarray
    cases: tuple[str, ...]
    ports: Mapping[str, np.ndarray]
    scale: float
    name: str
    unit: str
    response_unit: str = ""

    @property
    def worst(self) -> tuple[float, int, str]:
        """Largest quantity [``unit``], the number of its path, and its case."""
        at = np.unravel_index(int(self.quantity.argmax()), self.quantity.shape)
        return float(self.quantity[at]), int(at[0]), self.cases[int(at[1])]

    def percentile(self, percent: float = 95.0, case: str | None = None) -> float:
        """Percentile over all paths, of one case or of all of them [``unit``]."""
        within("percent", percent, 0, 100, ends="[]")
        if case is None:
            return float(np.percentile(self.quantity, percent))
        one_of("case", case, self.cases, problem="unknown case")
        return float(np.percentile(self.quantity[:, self.cases.index(case)], percent))

    def matrices(self, exposure: str | None = None) -> np.ndarray:
        """A s* s^T of every path, (path, port, port) Hermitian of rank one: the quantity is v^H M v of a drive v.

        Parameters
        ----------
        exposure : str, optional
            Which one; needed where there are several.
        """
        s = self._ports_of(exposure)
        return np.asarray(self.scale * s.conj()[:, :, None] * s[:, None, :])

    def worst_drive(self, path: int, exposure: str | None = None) -> tuple[float, np.ndarray]:
        """Largest quantity of one path over all drives of unit norm, and the drive (port,)."""
        s = self._ports_of(exposure)[path]
        norm = float(np.linalg.norm(s))
        return self.scale * norm**2, s.conj() / norm if norm else np.zeros_like(s)

    def _ports_of(self, exposure: str | None) -> np.ndarray:
        if exposure is None and len(self.ports) == 1:
            exposure = next(iter(self.ports))
        one_of("exposure", exposure, self.ports, problem="unknown exposure")
        return np.asarray(self.ports[str(exposure)])


def tier3(
    transfer_function: TransferFunction,
    fields: Fields | Mapping[str, Fields],
    paths: Sequence[Lead | np.ndarray] | Mapping[str, Sequence[Lead | np.ndarray]],
    drives: Any = None,
    *,
    step_m: float | None = None,
) -> Tier3Result:
    r"""The quantity of a lead along many paths, in many exposures and drives: A abs(int S E_tan dl)^2.

    Parameters
    ----------
    transfer_function : TransferFunction
        Of the lead.
    fields : Fields or mapping of str to Fields
        Exposures (bodies, landmarks) without the lead; each may have many ports.
    paths : sequence of Lead or (n, 3) arrays, or mapping of these
        Paths from the tip [m], the same for all exposures or by exposure.
    drives : sequence of str, or mapping of str to (port,) complex, optional
        Names of the coil's drives, or drives; by default all that the fields have, or the one they were combined by.
    step_m : float, optional
        As of :func:`tangential_E`.

    Raises
    ------
    InputError
        For paths as of :func:`tangential_E`, paths of another length than the lead, or another frequency.

    Source: ISO/TS 10974:2018, clause 8 (tier 3), as described in public summaries.
    """
    exposures = dict(fields) if isinstance(fields, Mapping) else {"": fields}
    if not exposures or not all(isinstance(f, Fields) for f in exposures.values()):
        raise InputError("no fields", field="fields", expected="Fields, or a mapping of names to them")
    tf = transfer_function.in_convention(PLUS)
    ports, induced, cases = {}, [], []
    for name, one in exposures.items():
        tf.require(one.frequency_Hz)
        own = paths[name] if isinstance(paths, Mapping) else paths
        if not len(own):
            raise InputError("no paths", field="paths", expected="one or more")
        walk = PathPieces.along(own, one, step_m)
        _as_long(walk, tf)
        E, _ = walk.tangential(one)
        weights = tf.at(walk.distance_m) * walk.length_m
        s = np.add.reduceat(E * weights, walk.first, axis=1).T
        ports[name] = owned(np.ascontiguousarray(s))
        for drive, v in _drives(one, drives, name).items():
            induced.append(s @ v)
            cases.append(" / ".join(t for t in (name, drive) if t))
    if len({len(column) for column in induced}) > 1:
        raise InputError("exposures with different numbers of paths", field="paths", expected="as many in each")
    found = np.stack(induced, axis=1)
    scale = 1.0 if tf.scale is None else tf.scale
    if tf.field_amplitude == "rms":
        scale *= 0.5  # rms is peak over the root of 2
    unit = "" if tf.scale is None else quantity_unit(tf.scale_unit)
    return Tier3Result(owned(found), owned(scale * np.abs(found) ** 2), tuple(cases), ports, scale, tf.quantity, unit)


def quantity_unit(scale_unit: str) -> str:
    """Unit of A abs(int S E dl)^2 for one of A; "K/V^2" gives "K"."""
    unit, slash, below = scale_unit.partition("/")
    return unit.strip() if slash and below.strip() in ("V^2", "V2", "V²", "(V^2)") else f"{scale_unit} V^2"


def _drives(fields: Fields, drives: Any, exposure: str) -> dict[str, np.ndarray]:
    if drives is None:
        if fields.is_driven:  # the name of the exposure says enough
            return {"" if exposure else fields.ports[0]: np.ones(1, complex)}
        return dict(fields.drives)
    if isinstance(drives, Mapping):
        return {str(k): named_drive(v, fields.drives, len(fields.ports))[1] for k, v in drives.items()}
    names = [drives] if isinstance(drives, str) else list(drives)
    return {name: named_drive(name, fields.drives, len(fields.ports))[1] for name in names}


def _as_long(walk: PathPieces, tf: TransferFunction) -> None:
    lengths = np.add.reduceat(walk.length_m, walk.first)
    off = np.abs(lengths - tf.length_m) > SAME_LENGTH * tf.length_m
    if off.any():
        at = int(off.argmax())
        raise InputError(
            "path of another length than the lead of the transfer function",
            field=f"path {at}",
            found=f"{lengths[at]:.4g} m",
            expected=f"{tf.length_m:.4g} m",
        )
