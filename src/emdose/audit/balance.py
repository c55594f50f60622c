"""Power in the body against power at the ports: peak or rms, and what one unit of drive is.

A drive v of waves leaves v^H (I - S^H S) v watts in coil, body and space, of which the body has a share. Each pair of
conventions for amplitude and drive asks for another power, some of them the same one: rms fields per root of a watt are
the numbers of peak fields per half a watt. So the data tell which power, and with one of both words the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdose.audit.finding import ConventionFinding, Evidence, judged
from emdose.circuits.network import Network
from emdose.io.foreign.values import AMPLITUDES, DRIVE_FACTORS, DRIVES

CLOSES = 0.06
"""Largest distance of a share from 1 that counts as closed where nobody says how much the body gets."""
SHAPE = 0.25
"""Largest part of the matrix of powers that a pair of conventions may leave unexplained."""


@dataclass(frozen=True)
class Normalisation:
    """Amplitude and drive as one of the conventions for both.

    Parameters
    ----------
    amplitude, drive : str
        Names of the choices.
    share : float
        Power in the body over power accepted by the ports, of all pairs of ports together.
    misfit : float
        Part of the matrix of powers that no share explains; 0 for one port.
    """

    amplitude: str
    drive: str
    share: float
    misfit: float


def accepted_power(network: Network) -> dict[str, np.ndarray]:
    """Power that the ports accept for one unit of drive of each kind, (port, port) Hermitian [W]."""
    s, z = network.s[0], network.z[0]
    waves = np.eye(network.size) - s.conj().T @ s
    volt = waves / np.sqrt(np.outer(network.reference_ohm, network.reference_ohm)) / 2
    ampere = 0.25 * (z + z.conj().T)
    found = {
        "sqrt(W)": waves,
        "sqrt(W) peak": waves / 2,
        "V": volt,
        "V rms": 2 * volt,
        "A": ampere,
        "A rms": 2 * ampere,
    }
    return {name: found[name] for name in DRIVES}


def pairs(absorbed: np.ndarray, network: Network) -> list[Normalisation]:
    """Every pair of conventions with the share of the power that the body would have.

    Parameters
    ----------
    absorbed : (port, port) complex ndarray
        Power in the body if the numbers were peak values [W].
    network : Network
        At one frequency.
    """
    found = []
    for amplitude, factor in AMPLITUDES.items():
        power = factor**2 * absorbed
        for drive, accepted in accepted_power(network).items():
            share = float(np.vdot(accepted, power).real / max(np.vdot(accepted, accepted).real, np.finfo(float).tiny))
            rest = np.linalg.norm(power - share * accepted) / max(np.linalg.norm(power), np.finfo(float).tiny)
            found.append(Normalisation(amplitude, drive, share, float(rest)))
    return found


def normalisation(
    absorbed: np.ndarray | None,
    network: Network | None,
    said: Mapping[str, tuple[str, str]],
    efficiency: Sequence[float] | None,
) -> tuple[dict[str, ConventionFinding], Normalisation | None]:
    """What the balance of power says of "amplitude" and "drive".

    Parameters
    ----------
    absorbed : (port, port) complex ndarray or None
        Power in the body if the numbers were peak values [W].
    network : Network or None
        Scattering parameters of the ports.
    said : mapping of str to (str, str)
        What is said about conventions, and by whom.
    efficiency : (float, float) or None
        Least and largest share of the accepted power that the body has, where the user knows it; without it only a
        share of 1 counts as a balance that closes.
    """
    stated = {q: said.get(q, (None, "")) for q in ("amplitude", "drive")}
    if absorbed is None or network is None or not np.any(absorbed):
        text = (
            "There are no S-parameters." if network is None else "There is no conductivity at the points of the field."
        )
        why = (Evidence("balance of power", text),)
        return {q: judged(q, None, why, *stated[q]) for q in stated}, None
    every = pairs(absorbed, network)
    low, high = (1 - CLOSES, 1 + CLOSES) if efficiency is None else (efficiency[0], efficiency[1])
    shaped = [p for p in every if p.misfit <= SHAPE]
    closing = [p for p in shaped if low <= p.share <= high]
    possible = [p for p in shaped if p.share <= 1 + CLOSES]
    amplitude, drive = _chosen(closing, stated)
    ruled_out = {q: _excluded(q, closing or possible, stated) for q in stated}
    why = (_evidence(every, closing, network.size, efficiency),)
    values = {"amplitude": amplitude, "drive": drive}
    found = {q: judged(q, values[q], why, stated[q][0], stated[q][1], ruled_out[q]) for q in stated}
    pair = next((p for p in closing if (p.amplitude, p.drive) == (amplitude, drive)), None)
    return found, pair


def _chosen(
    closing: list[Normalisation], stated: Mapping[str, tuple[str | None, str]]
) -> tuple[str | None, str | None]:
    """Amplitude and drive of the pair that closes; where several do, by the word of the user, the file, the program."""
    left = closing
    order = sorted(stated, key=lambda q: (_weight(stated[q][1]), q != "drive"))
    for question in order:
        kept = [p for p in left if getattr(p, question) == stated[question][0]]
        left = kept or left
    if left and len({_meaning(p) for p in left}) == 1:  # the same numbers by different words
        one = min(left, key=lambda p: p.amplitude != "peak")
        return one.amplitude, one.drive
    amplitudes, drives = {p.amplitude for p in left}, {p.drive for p in left}
    return next(iter(amplitudes)) if len(amplitudes) == 1 else None, next(iter(drives)) if len(drives) == 1 else None


def _excluded(
    question: str, possible: list[Normalisation], stated: Mapping[str, tuple[str | None, str]]
) -> tuple[str, ...]:
    """The choice that is said, where no pair of it can be, also not with what is said of the other."""
    other = "drive" if question == "amplitude" else "amplitude"
    value, partner = stated[question][0], stated[other][0]
    fitting = [p for p in possible if getattr(p, question) == value]
    if partner is not None:
        fitting = [p for p in fitting if getattr(p, other) == partner]
    return () if value is None or fitting else (value,)


def _meaning(pair: Normalisation) -> tuple[str, float]:
    unit, factor = DRIVE_FACTORS[pair.drive]
    return unit, round(factor * AMPLITUDES[pair.amplitude], 9)


def _weight(by: str) -> int:
    return 0 if by == "the user" else 1 if by == "the file" else 2


def _evidence(
    every: list[Normalisation], closing: list[Normalisation], ports: int, efficiency: Sequence[float] | None
) -> Evidence:
    listed = sorted(every, key=lambda p: (p.misfit > SHAPE, abs(math.log(max(p.share, 1e-30)))))
    numbers = {f"share, {p.amplitude} per {p.drive}": p.share for p in listed}
    numbers |= {f"misfit, {p.drive}": p.misfit for p in listed if p.amplitude == "peak"} if ports > 1 else {}
    near = "; ".join(f"{100 * p.share:.3g} % as {p.amplitude} per {p.drive}" for p in listed[:3])
    text = f"Of the power that the ports accept the body has {near}."
    if closing:
        text += f" Closed as {' or '.join(f'{p.amplitude} per {p.drive}' for p in closing)}"
        text += ", which are the same numbers." if len(closing) > 1 else "."
    elif efficiency is None:
        text += (
            " None closes; losses of the coil and radiation may be missing: efficiency = (least, largest) tells them."
        )
    shares = sorted(abs(math.log(max(p.share, 1e-30))) for p in every if p not in closing)
    decisive = None
    if closing and shares:
        decisive = shares[0] / max(abs(math.log(closing[0].share)), 1e-3)
    return Evidence("balance of power", text, numbers, decisive)
