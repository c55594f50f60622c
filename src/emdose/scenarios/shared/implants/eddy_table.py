"""Options of the eddy-current solver, for every kind of scenario that solves for induced currents."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from emdose.scenarios.shared.tables import Quantity, Table, bad_value, count, number, numbers, switch


def growing(what: str, low: float, high: float) -> Quantity:
    """A list of growing numbers within ``low`` to ``high``."""
    inner = numbers(what, None, low, high)
    expected = f"{inner.expected}, growing"  # type: ignore[attr-defined]

    def check(value: Any) -> tuple[float, ...]:
        found: tuple[float, ...] = inner.func(value)  # type: ignore[call-arg]
        if any(b <= a for a, b in pairwise(found)):
            raise bad_value(expected)
        return found

    return Quantity(check, expected)


class EddyCurrentTable(Table):
    """Options of the eddy-current solver."""

    type: Literal["eddy-current"] = "eddy-current"
    spacing_m: Annotated[float | Literal["auto"], number("a voxel size in metres", 1e-5, 0.02, word="auto")] = "auto"
    engine: Literal["auto", "voxel", "thin-skin"] = "auto"
    tolerance: Annotated[float, number("a relative residual", 1e-9, 1e-2)] = 1e-4
    max_steps: Annotated[int, count("steps of the Lanczos process", 1, 1000)] = 80
    dtype: Literal["float32", "float64"] = "float32"
    frequencies_Hz: (
        Annotated[tuple[float, ...], growing("frequencies in Hz at which the power tensor is solved,", 1, 1e6)] | None
    ) = None
    richardson: Annotated[bool, switch("larger voxels as well, and extrapolate the power to voxels of no size")] = False
    linear_terms: Annotated[bool, switch("also the five linear terms of the field of gradient coils")] | None = None
    cache: Annotated[bool, switch("keep the power tensor for other scenarios with the same implant")] = True
