"""What a sequence does to a body: quantities with their worst windows, blocks and repetitions, and their course."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.checks import one_of, positive
from emdose.dosimetry.sequences.courses import RfCourse, SequenceWindow
from emdose.dosimetry.sequences.reference import DriveReference
from emdose.errors import InputError
from emdose.values import read_only

B1, POWER = "B1+rms", "power"
"""Kinds of quantities beside SAR; the first is the name of its quantity too."""
HARD_180_Hz = 500.0
"""Amplitude of the rectangular pulse of 1 ms that inverts: what reference voltages and powers of scanners are of."""


@read_only
@dataclass(frozen=True, eq=False)
class PulsePeaks:
    """What the strongest pulse asks of the coil and of its amplifiers.

    Parameters
    ----------
    b1plus_T : float
        Largest mean of abs(B1+) over the region of the reference [T].
    amplitude : float
        Largest amplitude of any channel [drive unit].
    channels : (port,) float ndarray
        Largest amplitude of every channel [drive unit].
    power_W : float or None
        Largest power [W]; None where no power matrix is known.
    power_name : str
        Which power: "forward", or "delivered" where waves are not known.
    amplitude_block, power_block : int
        Blocks that have them, from 0.
    """

    b1plus_T: float
    amplitude: float
    channels: np.ndarray
    power_W: float | None
    power_name: str
    amplitude_block: int
    power_block: int


@read_only
@dataclass(frozen=True, eq=False)
class SequenceQuantity:
    """One quantity of an exposure: its averages over everything, the worst windows, blocks and repetitions.

    Parameters
    ----------
    name : str
        "B1+rms", "whole body", another part of the body, or local matrices.
    kind : "SAR", "local SAR", "B1+rms" or "power"
        What it is.
    unit : str
        "W/kg", "T" or "W".
    average : float
        Over the sequence, played once [unit].
    deposited : float or None
        Over the sequence, played once: specific absorbed energy [J/kg], or energy [J]; None of B1+rms.
    windows : tuple of SequenceWindow
        Largest averages.
    blocks : (block,) float ndarray
        Average over every block; of local SAR the largest of all matrices [unit].
    repetitions : (repetition,) float ndarray
        Average over every repetition, in the same way [unit].
    mass_kg : float or None
        Mass of the part, or that local SAR is averaged over [kg].
    matrices : int
        Number of matrices that the value is the largest of.
    relative_uncertainty : float or None
        Expanded uncertainty (k = 2) as a fraction of every value.
    """

    name: str
    kind: str
    unit: str
    average: float
    deposited: float | None
    windows: tuple[SequenceWindow, ...]
    blocks: np.ndarray
    repetitions: np.ndarray
    mass_kg: float | None = None
    matrices: int = 1
    relative_uncertainty: float | None = None

    def window(self, window_s: float) -> SequenceWindow:
        """The worst window of a length [s]; InputError for a length that was not asked for."""
        for one in self.windows:
            if abs(one.window_s - window_s) <= 1e-9 * window_s:
                return one
        lengths = ", ".join(f"{w.window_s:g} s" for w in self.windows)
        raise InputError("no window of this length", field="window_s", found=f"{window_s:g} s", expected=lengths)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file, without those of every block."""
        longest, worst = (int(np.argmax(v)) for v in (self.blocks, self.repetitions))
        return {
            "name": self.name,
            "kind": self.kind,
            "unit": self.unit,
            "average": self.average,
            "deposited": self.deposited,
            "deposited_unit": {"SAR": "J/kg", "local SAR": "J/kg", POWER: "J"}.get(self.kind),
            "windows": [
                {"window_s": w.window_s, "value": w.value, "start_s": w.start_s, "row": w.row} for w in self.windows
            ],
            "largest_block": {"block": longest + 1, "value": float(self.blocks[longest])},
            "largest_repetition": {"repetition": worst + 1, "value": float(self.repetitions[worst])},
            "mass_kg": self.mass_kg,
            "matrices": self.matrices,
            "relative_uncertainty": self.relative_uncertainty,
        }


@read_only
@dataclass(frozen=True, eq=False)
class SequenceExposure:
    """Exposure of a body by a sequence, played once or without end.

    Parameters
    ----------
    name : str
        Name of the sequence.
    quantities : tuple of SequenceQuantity
        B1+rms, power, SAR of the body and its parts, local SAR.
    windows_s : tuple of float
        Lengths of the windows [s].
    repeated : bool
        Whether windows see the sequence played without end, or once with nothing before and after it.
    block_starts_s, block_durations_s : (block,) float ndarray
        When every block begins and how long it lasts [s].
    repetition_edges_s : (repetition + 1,) float ndarray
        Where repetitions begin, and the last one ends [s].
    peaks : PulsePeaks
        What the strongest pulse asks for.
    reference : DriveReference
        How pulses became drives.
    gamma_Hz_T : float
        Gyromagnetic ratio over 2 pi [Hz/T].
    about : mapping
        Numbers of blocks, pulses and shims, definitions of parts, what the sequence says of itself.
    course : RfCourse
        Energy of the pulses over time.
    forms : mapping of str to (row, shim) ndarray
        What a squared amplitude of 1 Hz^2 of every shim gives of each quantity [unit/Hz^2; of B1+rms T^2/Hz^2].
    """

    name: str
    quantities: tuple[SequenceQuantity, ...]
    windows_s: tuple[float, ...]
    repeated: bool
    block_starts_s: np.ndarray
    block_durations_s: np.ndarray
    repetition_edges_s: np.ndarray
    peaks: PulsePeaks
    reference: DriveReference
    gamma_Hz_T: float
    about: Mapping[str, Any] = field(default_factory=dict)
    course: RfCourse | None = field(default=None, repr=False)
    forms: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def duration_s(self) -> float:
        """Length of the sequence [s]."""
        return float(self.repetition_edges_s[-1])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the quantities."""
        return tuple(q.name for q in self.quantities)

    @property
    def reference_amplitude(self) -> float:
        """Largest amplitude of a channel for a rectangular 180 degree pulse of 1 ms [drive unit]."""
        return HARD_180_Hz * self.reference.drive_per_Hz(self.gamma_Hz_T)

    @property
    def reference_power_W(self) -> float | None:
        """Power that such a pulse asks for while it is on [W]; None where no power matrix is known."""
        power = next((q for q in self.quantities if q.kind == POWER), None)
        return None if power is None else HARD_180_Hz**2 * float(self.forms[power.name][0, 0])

    def quantity(self, name: str) -> SequenceQuantity:
        """A quantity by its name; InputError for an unknown one."""
        one_of("name", name, self.names, problem="no such quantity of the exposure")
        return self.quantities[self.names.index(name)]

    def running(self, name: str, window_s: float, times_s: np.ndarray) -> np.ndarray:
        """Average of a quantity over the window that ends at some times, (t,) [unit]: what a console displays.

        Parameters
        ----------
        name : str
            Of the quantity.
        window_s : float
            Length of the window [s].
        times_s : (t,) float ndarray
            Times from the beginning of the sequence [s].

        Raises
        ------
        InputError
            For an unknown quantity and a window that is not positive.
        """
        kind, window = self.quantity(name).kind, positive("window_s", window_s)
        t = np.asarray(times_s, float)
        energies = self._until(t) - self._until(t - window)
        form = np.asarray(self.forms[name])
        found = (form @ energies).max(axis=0) / window
        return np.asarray(np.sqrt(np.maximum(found, 0.0)) if kind == B1 else found)

    def _until(self, t: np.ndarray) -> np.ndarray:
        """Energy of every shim up to some times, before the beginning as well, (shim, t) [Hz^2 s]."""
        course = self.course
        if course is None:
            raise InputError("an exposure without its course", field="course")
        if not self.repeated:
            return course.until(np.clip(t, 0.0, course.total_s))
        turns = np.floor(t / course.total_s)
        return turns * course.total[:, None] + course.until(t - turns * course.total_s)

    def table(self) -> str:
        """The quantities as plain text."""
        head = ["quantity", "average", "deposited", *(f"{w:g} s" for w in self.windows_s), "repetition", "unit"]
        rows = []
        for q in self.quantities:
            factor, unit = (1e6, "uT") if q.unit == "T" else (1.0, q.unit)
            worst = [f"{factor * w.value:.4g}" for w in q.windows]
            amount = "-" if q.deposited is None else f"{q.deposited:.4g} {'J' if q.unit == 'W' else 'J/kg'}"
            rows.append(
                [q.name, f"{factor * q.average:.4g}", amount, *worst, f"{factor * q.repetitions.max():.4g}", unit]
            )
        widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in [head, *rows]]
        return "\n".join([f"{self.name}: {self.duration_s:.4g} s, {how_played(self.repeated)}", *lines]) + "\n"

    def __str__(self) -> str:
        return self.table()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file, without those of every block."""
        repetitions = np.diff(self.repetition_edges_s)
        return {
            "name": self.name,
            "duration_s": self.duration_s,
            "repeated": self.repeated,
            "windows_s": list(self.windows_s),
            "quantities": [q.to_dict() for q in self.quantities],
            "repetitions": {
                "number": len(repetitions),
                "from": self.about.get("repetition_from"),
                "median_s": float(np.median(repetitions)),
                "longest_s": float(repetitions.max()),
            },
            "peaks": {
                "b1plus_T": self.peaks.b1plus_T,
                "amplitude": self.peaks.amplitude,
                "amplitude_block": self.peaks.amplitude_block + 1,
                "power_W": self.peaks.power_W,
                "power_block": self.peaks.power_block + 1,
            },
            "reference": {
                "region": self.reference.region,
                "drive_unit": self.reference.drive_unit,
                "drive_per_Hz": self.reference.drive_per_Hz(self.gamma_Hz_T),
                "b1plus_per_unit_T": self.reference.per_unit_T,
                "amplitude": self.reference_amplitude,
                "power_W": self.reference_power_W,
                "power_name": self.peaks.power_name,
                "mode": [[float(w.real), float(w.imag)] for w in self.reference.unit_mode],
            },
            "about": dict(self.about),
        }


def how_played(repeated: bool) -> str:
    """Whether a sequence is played without end or once, in words."""
    return "played without end" if repeated else "played once"
