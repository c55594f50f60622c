"""Options of convection-reaction EPT: what both of its methods are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emdose.checks import one_of, within
from emdose.ept.local.savitzky_golay import radii
from emdose.ept.transport.boundary import Value
from emdose.errors import InputError

FORMS = ("auto", "complex", "phase")


@dataclass(frozen=True)
class ConvectionReactionOptions:
    """What convection-reaction EPT can be told; the method says what every option means.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    form: str = "auto"
    volume: bool = False
    slices: Sequence[int] | None = None
    kernel: str = "cuboid"
    radius: int | tuple[int, int, int] = 2
    degree: int = 2
    smoothing: float | None = None
    noise_share: float = 0.7
    edge: float = 0.05
    within_labels: bool = True
    boundary: tuple[Value, Value | None] | None = None
    diffusion: float | None = None

    def __post_init__(self) -> None:
        one_of("form", self.form, FORMS, problem="unknown form")
        radii(self.radius)
        for name, low, high in (
            ("smoothing", 0.0, 1e6),
            ("noise_share", 0.05, 2.0),
            ("edge", 0.0, 10.0),
            ("diffusion", 0.0, 1e6),
        ):
            if getattr(self, name) is not None:
                within(name, getattr(self, name), low, high)
        if self.diffusion is not None and self.boundary is None:
            raise InputError(
                "artificial diffusion needs values at the rim",
                field="boundary",
                expected="(conductivity, relative permittivity)",
            )
