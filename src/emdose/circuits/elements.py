"""Elements of circuits: lumped ones, ladders of them, feeds, and what couples two ports."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from emdose.checks import one_of, positive
from emdose.errors import InputError
from emdose.values import read_only


class OnePort(Protocol):
    """Whatever has an impedance at complex frequencies."""

    def impedance_s(self, s: Any) -> Any:
        """Impedance at complex frequencies s = sigma + j w [ohm]."""


@read_only(short=False)
@dataclass(frozen=True)
class RLC:
    """A lumped resistor, inductor and capacitor.

    Parameters
    ----------
    resistance_ohm, inductance_H, capacitance_F : float, optional
        Values; what is None is not there.
    topology : {"series", "parallel"}
        How they are connected to each other.
    quality : float, optional
        Quality factor of the capacitor and of the inductor, as a series resistance that follows the frequency.

    Raises
    ------
    InputError
        For no value, or one that is zero, infinite or negative.
    """

    resistance_ohm: float | None = None
    inductance_H: float | None = None
    capacitance_F: float | None = None
    topology: str = "series"
    quality: float | None = None

    def __post_init__(self) -> None:
        values = (self.resistance_ohm, self.inductance_H, self.capacitance_F)
        if all(v is None for v in values):
            raise InputError("lumped element has no value", field="element", expected="R, L or C")
        for key in ("resistance_ohm", "inductance_H", "capacitance_F", "quality"):
            if getattr(self, key) is not None:
                positive(key, getattr(self, key))
        one_of("topology", self.topology, ("series", "parallel"), problem="bad topology")

    def impedance_s(self, s: Any) -> Any:
        """Impedance at complex frequencies [ohm]."""
        s = np.asarray(s, complex)
        # Series losses |X| / Q, continued analytically from positive frequencies.
        loss = 0.0 if self.quality is None else 1j / self.quality
        parts = []
        if self.resistance_ohm is not None:
            parts.append(self.resistance_ohm + 0 * s)
        if self.inductance_H is not None:
            parts.append(s * self.inductance_H * (1 - loss))
        if self.capacitance_F is not None:
            parts.append((1 + loss) / (s * self.capacitance_F))
        total = sum(parts) if self.topology == "series" else 1 / sum(1 / z for z in parts)
        return np.asarray(total)


@read_only(short=False)
@dataclass(frozen=True)
class TwoPort:
    """A ladder of one-ports between a feed and a gap.

    Parameters
    ----------
    steps : tuple of (str, OnePort)
        From the feed to the gap: ("series", element) in the line, ("shunt", element) across it.

    Raises
    ------
    InputError
        For another word than series or shunt.
    """

    steps: tuple[tuple[str, OnePort], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple((str(w), e) for w, e in self.steps))
        for where, _ in self.steps:
            one_of("steps", where, ("series", "shunt"), problem="bad step of a ladder")

    def abcd(self, s: Any) -> np.ndarray:
        """Chain matrices (f, 2, 2) at complex frequencies (f,)."""
        s = np.atleast_1d(np.asarray(s, complex))
        total = np.broadcast_to(np.eye(2, dtype=complex), (len(s), 2, 2))
        for where, element in self.steps:
            z = np.broadcast_to(element.impedance_s(s), s.shape)
            m = np.zeros((len(s), 2, 2), complex)
            m[:, 0, 0] = m[:, 1, 1] = 1
            if where == "series":
                m[:, 0, 1] = z
            else:
                m[:, 1, 0] = 1 / z
            total = total @ m
        return np.asarray(total)

    def scattering(self, s: Any, outer_ohm: float, inner_ohm: float) -> np.ndarray:
        """Scattering matrices (f, 2, 2) between the feed (0) and the gap (1)."""
        m = self.abcd(s)
        A, B, C, D = m[:, 0, 0] * inner_ohm, m[:, 0, 1], m[:, 1, 0] * outer_ohm * inner_ohm, m[:, 1, 1] * outer_ohm
        total = A + B + C + D
        through = 2 * math.sqrt(outer_ohm * inner_ohm) / total
        return np.stack(
            [np.stack([(A + B - C - D) / total, through], -1), np.stack([through, (-A + B - C + D) / total], -1)], -2
        )


@read_only(short=False)
@dataclass(frozen=True)
class Feed:
    """A feed of a circuit: its name, the internal port that it drives, the ladder between, and its impedance [ohm]."""

    name: str
    port: str
    ladder: TwoPort = field(default_factory=TwoPort)
    impedance_ohm: float = 50.0


@read_only(short=False)
@dataclass(frozen=True)
class Coupling:
    """What joins two internal ports to decouple them.

    Parameters
    ----------
    first, second : str
        Internal ports.
    element : OnePort
        With ``kind`` "shunt" an element between their end terminals, the start terminals being joined; with "series" a
        transformer whose mutual impedance is that of the element.
    kind : {"shunt", "series"}
        How it is connected.
    sign : {1, -1}
        Sense of the transformer's windings.
    """

    first: str
    second: str
    element: OnePort
    kind: str = "shunt"
    sign: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("shunt", "series") or self.sign not in (1, -1) or self.first == self.second:
            raise InputError(
                "bad coupling",
                field="kind, sign, ports",
                found=(self.kind, self.sign, self.first, self.second),
                expected="shunt or series, 1 or -1, two ports",
            )
