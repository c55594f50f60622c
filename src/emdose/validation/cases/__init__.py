"""What ``emdose validate`` runs: every solver against oracles, one row per quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from emdose.checks import one_of
from emdose.solvers.running import Begin, Done, ProgressCallback, silent
from emdose.validation.cases import (
    averaging,
    bem,
    bioheat,
    coils,
    discretisation,
    eddy,
    ept,
    fdtd,
    incident,
    induced,
    mom,
    volume_integral,
)
from emdose.validation.rows import Row

__all__ = ["Row", "names", "run"]

_CASES: dict[str, Callable[[Any], list[Row]]] = {
    **incident.CASES,
    **coils.CASES,
    **mom.CASES,
    **volume_integral.CASES,
    **discretisation.CASES,
    **fdtd.CASES,
    **bem.CASES,
    **bioheat.CASES,
    **averaging.CASES,
    **eddy.CASES,
    **induced.CASES,
    **ept.CASES,
}

_LONG: dict[str, Callable[[Any], list[Row]]] = {**coils.LONG}
"""Cases of a minute and more, which are run when they are asked for."""


def names(long: bool = False) -> tuple[str, ...]:
    """Names of all cases, or of the long ones."""
    return tuple(_LONG if long else _CASES)


def run(
    names: Sequence[str] | None = None,
    device: Any = "auto",
    progress: ProgressCallback | None = None,
    long: bool = False,
) -> list[Row]:
    """Run cases and compare with their references.

    Parameters
    ----------
    names : sequence of str, optional
        Which cases, also long ones; all that are not long by default.
    device : {"auto", "cpu", "cuda"} or Backend
        Where.
    progress : callable, optional
        Called with a :class:`~emdose.solvers.running.Begin` "case" before every case, and when all are done.
    long : bool
        Whether the default takes in the long cases.

    Raises
    ------
    InputError
        For an unknown name.
    """
    known = {**_CASES, **_LONG}
    wanted = tuple(known if long else _CASES) if names is None else tuple(names)
    for name in wanted:
        one_of("case", name, known, problem="unknown validation case")
    rows: list[Row] = []
    tell = progress or silent
    for i, name in enumerate(wanted):
        tell(Begin(stage="case", name=name, index=i, count=len(wanted)))
        rows += known[name](device)
    tell(Done())
    return rows
