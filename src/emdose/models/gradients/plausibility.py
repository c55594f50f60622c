"""Whether a waveform can be one of a gradient system: a time in milliseconds or a field in millitesla shows here.

Whole-body systems reach some 45 mT/m in 0.1 to 0.3 ms (100 to 200 T/m/s), head systems 500 mT/m and 600 T/m/s, small
ones for animals a few times that. The ranges leave a factor of three to ten around what exists, and a unit that is
wrong is off by a thousand. What is meant all the same is said by ``unusual=True``.

Source: A. D. Elster, "Gradient specifications", mriquestions.com (rise times and strengths of whole-body systems);
G. Ramos-Llorden, H. Lee et al., Nat. Biomed. Eng. 9 (2025), Connectome 2.0 (500 mT/m, 600 T/m/s); IEC 60601-2-33
(nerves are stimulated at some 20 to 100 T/s, which bounds dB/dt of scanners from above).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from emdose.errors import InputError

LARGEST: Mapping[str, float] = MappingProxyType({"T": 1.0, "T/m": 2.0})
"""Peak of a switched field [T] or gradient [T/m]."""
RATES: Mapping[str, tuple[float, float]] = MappingProxyType({"T": (0.1, 1e4), "T/m": (0.5, 2e4)})
"""Peak of dB/dt [T/s] or of the slew rate [T/m/s]."""
RAMP_s = (1e-6, 20e-3)
"""Peak over peak rate: the time of the fastest full ramp."""
LONGEST_ON_s = 0.25
"""Longest time that a field stays on without change; diffusion gradients last some 0.1 s."""

FEWEST = 32
"""Samples from which on even steps are those of a recording, and not the corners of a drawing."""
ALONG, EQUAL = 0.05, 0.9
"""Rates beside the fastest one, over it, that still belong to its ramp, and that are the same."""
MATTERS = 0.2
"""Part of the largest rate of all axes from which on an axis is looked at."""


def require_resolved(name: str, times_s: np.ndarray, rates: np.ndarray, what: str) -> None:
    r"""Raise InputError where samples at even steps are too far apart for the fastest change between them.

    Around the fastest interval the rate keeps its sign (beyond 5 % of it) over three intervals or more, or over two of
    equal rate (within 10 %). A straight ramp that lasts two steps or more does, wherever the samples lie on it, and its
    largest rate is exact, for one interval lies within it. One that is shorter than a step shows in one interval, or in
    two of which each holds a share of it: its rate and dB/dt would come out too small. A sine passes from six samples a
    period on, where the largest rate between samples is at least :math:`\sin(\pi/6)/(\pi/6)` = 95 % of its own.

    Source: own rule, by the two cases above.

    Parameters
    ----------
    name : str
        What the waveform is called.
    times_s : (n,) ndarray
        Times of the samples [s]; uneven ones are corners, and pass.
    rates : (n - 1, axes) ndarray
        Rates between samples, or at all but the last, which is where it begins again.
    what : str
        What a rate is called.
    """
    step = np.diff(times_s)
    if len(times_s) < FEWEST or not np.all(np.isfinite(rates)) or np.ptp(step) > 0.01 * abs(step.mean()):
        return
    size = np.abs(rates).max(axis=0)
    for axis in np.flatnonzero(size > MATTERS * size.max()):
        own = rates[:, axis]
        # What is as fast as the fastest: one of them resolved says nothing of the others. The waveform repeats.
        fast = np.flatnonzero(np.abs(own) > 0.999 * size[axis])
        around = own[(fast[:, None] + np.arange(-2, 3)) % len(own)] / own[fast][:, None]
        on = around > ALONG
        before, after = (on[:, i].astype(int) + (on[:, i] & on[:, j]) for i, j in ((1, 0), (3, 4)))
        equal = np.where(before > 0, around[:, 1], around[:, 3]) >= EQUAL
        length = 1 + before + after
        lost = ~((length >= 3) | ((length == 2) & equal))
        if lost.any():
            k = int(fast[int(np.argmax(lost))])
            raise InputError(
                f"samples too far apart for their fastest {what}: it may be larger than they show",
                field=f"waveform {name!r}",
                found=f"a change within a step or two of {step.mean():.3g} s at {times_s[k]:.6g} s",
                expected="steps of half of the shortest ramp at most, or corners at their times; unusual=True where "
                "it is straight between these samples",
            )


def require_plausible(name: str, unit: str, peak: float, rate: float, on_s: float = 0.0) -> None:
    """Raise InputError unless a gradient system could make a waveform.

    Parameters
    ----------
    name : str
        What the waveform is called.
    unit : "T" or "T/m"
        Of a field or a gradient.
    peak : float
        Its amplitude [unit].
    rate : float
        Peak of its rate of change [unit/s].
    on_s : float
        Longest time that it stays on without change [s].
    """
    what, low_rate = ("gradient", "slew rate") if unit == "T/m" else ("field", "dB/dt")
    ramp, (low, high) = peak / rate, RATES[unit]
    found = {
        f"peak {what}": (peak, 0.0, LARGEST[unit], unit, f"{what}s are in {unit}, not m{unit}"),
        "time of the fastest ramp": (ramp, *RAMP_s, "s", "times are in s, not ms"),
        "longest time on without change": (on_s, 0.0, LONGEST_ON_s, "s", "times are in s, not ms"),
        f"peak {low_rate}": (rate, low, high, f"{unit}/s", f"times are in s, not ms, and {what}s in {unit}"),
    }
    for title, (value, least, most, unit_of, hint) in found.items():
        if not least <= value <= most:
            expected = f"up to {most:g} {unit_of}" if least == 0 else f"{least:g} to {most:g} {unit_of}"
            raise InputError(
                f"{title} that no gradient system has",
                field=f"waveform {name!r}",
                found=f"{value:.3g} {unit_of}",
                expected=f"{expected} ({hint}), or unusual=True where it is meant",
            )
