"""The budget of a Tier 3 number of a lead: transfer function, place of the lead, field, scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import not_negative, positive
from emdose.dosimetry.leads.tangential import tangential_E
from emdose.dosimetry.leads.tier3 import tier3
from emdose.errors import InputError
from emdose.models.leads import Lead, TransferFunction, paths_around
from emdose.models.leads.transfer_function import PLUS
from emdose.uncertainty.budget import TYPE_A, Budget, Contribution

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields

MAGNITUDE, PHASE = "transfer function, magnitude", "transfer function, phase"
PLACE, FIELD, SCALE = "place of the lead", "electric field", "scale of the transfer function"


def tier3_budget(
    transfer_function: TransferFunction,
    fields: Fields,
    path: Lead | np.ndarray,
    drive: Any = None,
    *,
    magnitude: float,
    phase_rad: float,
    field: float,
    scale: float = 0.0,
    place_m: float = 0.0,
    correlation_m: float = 0.1,
    phantom: Phantom | None = None,
    paths: int = 60,
    seed: int = 1,
) -> Budget:
    r"""What a Tier 3 number Q = A abs(int S E_tan dl)^2 owes to each source, to first and second order.

    Errors of S along the lead have the correlation exp(-abs(l - l') / length). With x = S E_tan dl / int S E_tan dl and
    R that correlation, those of magnitude give u(Q) / Q = 2 u sqrt(Re x^T R Re x), those of phase
    2 u sqrt(Im x^T R Im x); their second order is u^2 x^H R x. The place gives the standard deviation of Q over paths
    around the path, the field twice its relative uncertainty, A its own.

    Parameters
    ----------
    transfer_function : TransferFunction
        Of the lead.
    fields : Fields
        Fields without the lead.
    path : Lead or (n, 3) ndarray
        Path from the tip [m].
    drive : str or (port,) complex, optional
        As of :meth:`Fields.drive`; not needed for fields of one drive.
    magnitude, phase_rad : float
        Standard uncertainty of S: relative, and in radians.
    field, scale : float
        Relative standard uncertainty of the tangential field, and of A.
    place_m : float
        Rms displacement of the path across itself [m].
    correlation_m : float
        Length over which errors of S go together [m].
    phantom : Phantom, optional
        Body that the displaced paths must stay in.
    paths : int
        How many displaced paths.
    seed : int
        Of their random numbers.

    Raises
    ------
    InputError
        As of :func:`tier3`; for negative uncertainties, or a lead in which nothing is induced.

    Source: JCGM 100:2008 (GUM), 5.1 and note to 5.1.2; ISO/TR 21900:2018 lists the sources.
    """
    given = {"magnitude": magnitude, "phase_rad": phase_rad, "field": field, "scale": scale, "place_m": place_m}
    u = {name: not_negative(name, value) for name, value in given.items()}
    driven = fields if drive is None else fields.drive(drive)
    driven.require_driven()
    found = tier3(transfer_function, driven, [path])
    value = float(found.quantity[0, 0])
    along = tangential_E(driven, path)
    S = transfer_function.in_convention(PLUS).at(along.distance_m)
    x = S * along.E[0] * along.step_m
    total = x.sum()
    if not abs(total) > 0:
        raise InputError("nothing is induced along this path", field="path", expected="a field along the lead")
    x = x / total
    apart = np.abs(along.distance_m[:, None] - along.distance_m)
    R = np.exp(-apart / positive("correlation_m", correlation_m))
    spread = float(np.real(x.conj() @ R @ x))
    rows = []
    for source, part, size, unit in ((MAGNITUDE, x.real, magnitude, "1"), (PHASE, x.imag, phase_rad, "rad")):
        slope = 2 * value * float(np.sqrt(max(part @ R @ part, 0.0)))
        rows.append(
            Contribution(
                source,
                slope * size,
                unit=unit,
                width=size,
                sensitivity=slope or None,
                second_order=value * size**2 * spread,
            )
        )
    if u["place_m"]:
        moved = paths_around(path, paths, place_m, phantom=phantom, seed=seed)
        off = tier3(transfer_function, driven, moved).quantity[:, 0]
        rows.append(
            Contribution(
                PLACE, float(np.sqrt(np.mean((off - value) ** 2))), unit="m", width=place_m, kind=TYPE_A, dof=paths - 1
            )
        )
    for source, size, order in ((FIELD, field, 2.0), (SCALE, scale, 1.0)):
        if size:
            rows.append(Contribution(source, order * value * size, unit="1", width=size, sensitivity=order * value))
    name = f"{found.name}, {found.cases[0]}" if found.cases[0] else found.name
    return Budget(
        name, found.unit, value, tuple(rows), method="first and second order of S; paths drawn around the path"
    )


def repeatability(transfer_functions: Sequence[TransferFunction]) -> tuple[TransferFunction, float, float]:
    """Mean of repeated measurements, and the standard uncertainty of one: magnitude (relative) and phase [rad].

    Each is normalised to its largest magnitude first, and turned as a whole towards the first one. Points below 5 % of
    the largest magnitude do not count.

    Parameters
    ----------
    transfer_functions : sequence of TransferFunction
        Two or more, at the same distances.

    Raises
    ------
    InputError
        With fewer than two, or at other distances or frequencies.
    """
    from dataclasses import replace

    if len(transfer_functions) < 2:
        raise InputError(
            "no repeats", field="transfer_functions", found=len(transfer_functions), expected="two or more"
        )
    first = transfer_functions[0].in_convention(PLUS).normalised()
    values = []
    for one in transfer_functions:
        one.require(first.frequency_Hz)
        if one.distance_m.shape != first.distance_m.shape or np.abs(one.distance_m - first.distance_m).max() > 1e-6:
            raise InputError(
                "repeats at other distances", field="transfer_functions", expected="the same points in each"
            )
        found = one.in_convention(PLUS).normalised().values
        # No power depends on one phase for all of it, and that of the tip has errors of its own.
        values.append(found * np.exp(-1j * np.angle(np.vdot(first.values, found))))
    all_of = np.array(values)
    mean = replace(first, values=all_of.mean(axis=0)).normalised()
    seen = np.abs(mean.values) >= 0.05
    ratio = all_of[:, seen] / mean.values[seen]
    count = max(len(values) - 1, 1)
    size = float(np.sqrt(np.mean(np.sum((np.abs(ratio) - np.abs(ratio).mean(0)) ** 2, axis=0) / count)))
    angle = np.angle(ratio)
    turn = float(np.sqrt(np.mean(np.sum((angle - angle.mean(0)) ** 2, axis=0) / count)))
    return mean, size, turn
