"""What a sequence plays on its transmit channels: pulses, shims and the blocks that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from emdose.checks import array, positive
from emdose.errors import InputError
from emdose.models.gradients.waveform import Waveform
from emdose.values import owned, read_only

Use = Literal["excitation", "refocusing", "inversion", "saturation", "preparation", "other"]
USES = ("excitation", "refocusing", "inversion", "saturation", "preparation", "other")
NONE = -1
"""Stands for no pulse, and for the default shim."""
LARGEST_EXCITATION_DEG = 90.01
"""Pulses of no stated use up to this flip angle count as excitations, as in pypulseq."""


@read_only(units={"amplitude_Hz": "Hz"})
@dataclass(frozen=True, eq=False)
class RfPulse:
    """One pulse: its amplitude over time, constant piece by piece.

    Parameters
    ----------
    edges_s : (n + 1,) float ndarray
        Ends of the pieces from the beginning of the block, delay included [s].
    amplitude_Hz : (n,) complex ndarray
        gamma-bar B1+ with its phase; of a piece that is not constant the root mean square [Hz].
    use : str
        "excitation", "refocusing", "inversion", "saturation", "preparation" or "other".
    frequency_Hz : float
        Offset from the Larmor frequency [Hz].

    Raises
    ------
    InputError
        For times that do not grow, a negative delay, and amplitudes that do not fit them or are not finite.
    """

    edges_s: np.ndarray
    amplitude_Hz: np.ndarray
    use: str = "excitation"
    frequency_Hz: float = 0.0

    def __post_init__(self) -> None:
        edges, a = np.asarray(self.edges_s, float), np.asarray(self.amplitude_Hz, complex)
        if edges.ndim != 1 or len(edges) < 2 or a.shape != (len(edges) - 1,):
            raise InputError("amplitudes of a pulse do not fit its times", found=(edges.shape, a.shape))
        if not (np.all(np.isfinite(edges)) and np.all(np.isfinite(a))):
            raise InputError("a pulse holds a value that is not finite", field="amplitude_Hz")
        if edges[0] < 0 or np.any(np.diff(edges) <= 0):
            raise InputError("times of a pulse do not grow", field="edges_s", found=f"from {edges[0]:g} s")
        object.__setattr__(self, "edges_s", edges)
        object.__setattr__(self, "amplitude_Hz", a)

    @property
    def duration_s(self) -> float:
        """How long it is on [s]."""
        return float(self.edges_s[-1] - self.edges_s[0])

    @property
    def energy_Hz2_s(self) -> float:
        r"""Integral of the squared amplitude, :math:`\int |a|^2 \mathrm dt` [Hz^2 s]."""
        return float((np.abs(self.amplitude_Hz) ** 2 * np.diff(self.edges_s)).sum())

    @property
    def peak_Hz(self) -> float:
        """Largest amplitude [Hz]."""
        return float(np.abs(self.amplitude_Hz).max())

    @property
    def flip_deg(self) -> float:
        """Flip angle on resonance of a pulse that is linear in its amplitude, 360 |int a dt| [degree]."""
        return float(360 * abs((self.amplitude_Hz * np.diff(self.edges_s)).sum()))


@read_only
@dataclass(frozen=True, eq=False)
class PulseSequence:
    """A sequence as its transmit channels and its gradients play it.

    Parameters
    ----------
    name : str
        Name shown in reports.
    durations_s : (block,) float ndarray
        How long every block lasts [s].
    rf : (block,) integer ndarray
        Number of its pulse; -1 for none.
    pulses : tuple of RfPulse
        The pulses that differ.
    shim : (block,) integer ndarray
        Number of the shim of its pulse; -1 for the default mode of the coil.
    shims : (shim, channel) complex ndarray
        The shims that differ: relative amplitude and phase of every channel. With no shim (0, 0).
    gradients : Waveform, optional
        Gradients along x, y, z [T/m].
    gamma_Hz_T : float
        Gyromagnetic ratio over 2 pi [Hz/T].
    about : mapping
        Where it was read: file, version, dialect, definitions, what was assumed.

    Raises
    ------
    InputError
        For a sequence without RF, blocks of negative length, pulses that outlast their block, and numbers of pulses
        or shims that are not there.
    """

    name: str
    durations_s: np.ndarray
    rf: np.ndarray
    pulses: tuple[RfPulse, ...]
    shim: np.ndarray | None = None
    shims: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), complex))
    gradients: Waveform | None = None
    gamma_Hz_T: float = 42.577478518e6
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        blocks = len(self.durations_s)
        durations = array("durations_s", self.durations_s, (blocks,), least=0.0)
        rf = np.asarray(self.rf, np.int64)
        shim = np.full(blocks, NONE) if self.shim is None else np.asarray(self.shim, np.int64)
        shims = np.asarray(self.shims, complex)
        positive("gamma_Hz_T", self.gamma_Hz_T)
        if rf.shape != (blocks,) or shim.shape != (blocks,) or shims.ndim != 2:
            raise InputError("pulses and shims do not fit the blocks", found=(rf.shape, shim.shape, shims.shape))
        if not durations.sum() > 0:
            raise InputError("sequence of no duration", field="durations_s", expected="at least one block that lasts")
        if not (rf >= 0).any() or not self.energy_of(self.pulses, rf) > 0:
            raise InputError("sequence without RF: nothing is transmitted", expected="[RF] that a block plays")
        if rf.min() < NONE or rf.max() >= len(self.pulses) or shim.min() < NONE or shim.max() >= len(shims):
            raise InputError("a block names a pulse or a shim that is not there")
        if not np.all(np.isfinite(shims)):
            raise InputError("a shim holds a value that is not finite", field="shims")
        for n, pulse in enumerate(self.pulses):
            here = durations[rf == n]
            if len(here) and here.min() < pulse.edges_s[-1] * (1 - 1e-9) - 1e-9:
                raise InputError(
                    "a pulse outlasts its block",
                    field=f"block {int(np.flatnonzero(rf == n)[np.argmin(here)]) + 1}",
                    found=f"{pulse.edges_s[-1]:g} s",
                    expected=f"at most {here.min():g} s",
                )
        object.__setattr__(self, "pulses", tuple(self.pulses))
        for key, value in (("durations_s", durations), ("rf", rf), ("shim", shim), ("shims", shims)):
            object.__setattr__(self, key, owned(np.array(value)))

    @staticmethod
    def energy_of(pulses: tuple[RfPulse, ...], rf: np.ndarray) -> float:
        """Integral of the squared amplitude of some blocks [Hz^2 s]."""
        energies = np.array([p.energy_Hz2_s for p in pulses])
        return float(energies[rf[(rf >= 0) & (rf < len(pulses))]].sum())

    @property
    def duration_s(self) -> float:
        """Length of the sequence [s]."""
        return float(self.durations_s.sum())

    @cached_property
    def starts_s(self) -> np.ndarray:
        """When every block begins, (block,) [s]."""
        return owned(np.concatenate([[0.0], np.cumsum(self.durations_s)[:-1]]))

    @property
    def channels(self) -> int | None:
        """Channels of its shims; None where it has no shim."""
        return int(self.shims.shape[1]) if len(self.shims) else None

    @cached_property
    def repetitions(self) -> np.ndarray:
        """Blocks with which a repetition begins: every excitation, the sequence itself first, (n,) integers."""
        exciting = np.array([p.use == "excitation" for p in self.pulses] + [False])
        first = np.flatnonzero(exciting[self.rf])
        return owned(np.unique(np.concatenate([[0], first[1:]])))

    def cuts_of(self, gradients: Waveform, longest_s: float = 5.0) -> Waveform:
        """Gradients with the times at which they may be cut: where repetitions begin, if they are at rest there.

        Parameters
        ----------
        gradients : Waveform
            Of this sequence.
        longest_s : float
            Where parts would be longer they may be cut where any block begins [s].
        """
        begins = self.starts_s[self.repetitions]
        cut = replace(gradients, splits_s=begins)
        for low, high in pairwise(cut.cuts_s().tolist()):
            if high - low > longest_s:
                begins = np.append(begins, self.starts_s[(self.starts_s > low) & (self.starts_s < high)])
        return replace(cut, splits_s=begins)

    @property
    def energy_Hz2_s(self) -> float:
        """Integral of the squared amplitude of all pulses [Hz^2 s]."""
        return self.energy_of(self.pulses, self.rf)

    @property
    def b1plus_rms_T(self) -> float:
        """Nominal B1+rms over the sequence, without regard to shims [T]."""
        return float(np.sqrt(self.energy_Hz2_s / self.duration_s) / self.gamma_Hz_T)
