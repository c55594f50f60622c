"""What ``emdose validate`` runs: every solver against oracles, one row per quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from emdose.checks import one_of
from emdose.solvers.running import Begin, Done, ProgressCallback, silent
from emdose.validation.cases import averaging, bem, bioheat, eddy, ept, fdtd, incident, volume_integral
from emdose.validation.cases.rows import Row

__all__ = ["Row", "names", "run"]

_CASES: dict[str, Callable[[Any], list[Row]]] = {
    **incident.CASES,
    **volume_integral.CASES,
    **fdtd.CASES,
    **bem.CASES,
    **bioheat.CASES,
    **averaging.CASES,
    **eddy.CASES,
    **ept.CASES,
}


def names() -> tuple[str, ...]:
    """Names of all cases."""
    return tuple(_CASES)


def run(
    names: Sequence[str] | None = None, device: Any = "auto", progress: ProgressCallback | None = None
) -> list[Row]:
    """Run cases and compare with their references.

    Parameters
    ----------
    names : sequence of str, optional
        Which cases; all by default.
    device : {"auto", "cpu", "cuda"} or Backend
        Where.
    progress : callable, optional
        Called with a :class:`~emdose.solvers.running.Begin` "case" before every case, and when all are done.

    Raises
    ------
    InputError
        For an unknown name.
    """
    wanted = tuple(_CASES) if names is None else tuple(names)
    for name in wanted:
        one_of("case", name, _CASES, problem="unknown validation case")
    rows: list[Row] = []
    tell = progress or silent
    for i, name in enumerate(wanted):
        tell(Begin(stage="case", name=name, index=i, count=len(wanted)))
        rows += _CASES[name](device)
    tell(Done())
    return rows
