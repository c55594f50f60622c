"""Weighted peaks of induced fields, and limits of switched gradients computed by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from emdose.compliance.frequency_weights import DIRECTIVE, ICNIRP, weighting
from emdose.compliance.limits import limits
from emdose.models.gradients.spectrum import Spectrum
from emdose.validation.rows import Row, at_most, compare

IEC, EDITION = "IEC 60601-2-33", "2022"
OF = ((ICNIRP, "E", "occupational", "CNS head"), (ICNIRP, "E", "public", "all tissues"), (DIRECTIVE, "E sensory ELV"))


def tones(_: Any) -> list[Row]:
    """Tones at their limits by spectrum and by filter, two tones with phases, a steady field before the course."""
    rows = []
    for names in OF:
        w = weighting(*names)
        c = w.corners_Hz
        away = [c[0] / 100, *(math.sqrt(a * b) for a, b in pairwise(c) if b / a > 50), 100 * c[-1]]
        spectral, timed = 0.0, 0.0
        for one in (*away, *(1.3 * x for x in c)):
            tone = Spectrum(np.array([one]), np.array([[w.limit(one)]], complex), "V/m")
            spectral = max(spectral, abs(w.spectral_index(tone) - 1))
        for one in away:
            t = np.arange(401) / (200 * one)
            index = w.index(t, float(w.limit(one)) * np.cos(2 * np.pi * one * t)[:, None], "repeated")
            timed = max(timed, abs(index - 1))
        name = ", ".join(names)
        rows += [
            at_most(name, "the limit itself", "weighted peak less 1 of a tone at its limit", spectral, 1e-9),
            at_most(name, "the limit itself", "the same by filter, away from corners", timed, 0.06),
        ]
    w, f = weighting(*OF[0]), np.array([50.0, 150.0])
    A = np.array([0.06 * np.exp(0.3j), 0.2 * np.exp(-1.1j)])
    t = np.linspace(0, 0.02, 200_001)
    turned = A / w.limit(f) * np.exp(-0.5j * np.pi)  # the limit grows with f there
    wanted = float(np.abs((np.exp(2j * np.pi * np.outer(t, f)) @ turned).real).max())
    found = w.spectral_index(Spectrum(f, A[:, None], "V/m"))
    still = weighting(DIRECTIVE, "B low action level").index(np.array([0.0, 0.1, 1.0]), np.full((3, 1), 1.5), "settled")
    return [
        *rows,
        compare("two tones, 50 and 150 Hz", "sum of ICNIRP's appendix", "weighted peak", wanted, found, 1e-5),
        at_most("steady 1.5 T", "identity", "weighted peak of a field that does not change", still, 1e-9),
    ]


def by_hand(_: Any) -> list[Row]:
    """Limits of the rate of switched gradients for stimuli of 1 ms."""
    rows = []
    for quantity, mode, by_hand in (
        ("nerve stimulation", "normal", 21.76),
        ("nerve stimulation", "first level", 27.20),
        ("cardiac stimulation", "normal", 70.55),
    ):
        (limit,) = limits(IEC, edition=EDITION, quantity=f"gradient dB/dt, {quantity}", mode=mode)
        case = f"IEC 60601-2-33, {quantity}, {mode}"
        rows.append(compare(case, "computed by hand", "dB/dt at 1 ms [T/s]", by_hand, limit.value(ts=1.0), 3e-4))
    return rows


CASES = {"weighted peaks": tones, "gradient limits": by_hand}
