"""Power in the body against power at the ports: peak or rms, and what one unit of drive is.

A drive v of waves leaves v^H (I - S^H S) v watts in coil, body and space, of which the body has a share. Each pair of
conventions for amplitude and drive asks for another power, some of them the same one: rms fields per root of a watt are
the numbers of peak fields per half a watt. So the data tell which power, and with one of both words the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdose.auditing.finding import ConventionFinding, Evidence, judged
from emdose.circuits.network import Network
from emdose.io.foreign.values import AMPLITUDES, DRIVE_FACTORS, DRIVES

CLOSES = 0.06
"""Largest distance of a share from 1 that counts as closed where nobody says how much the body gets."""
ROUNDING = 0.03
"""What voxels may add to the shares that a user states, as a fraction of them."""
LEAST = 0.1
"""Least share of the accepted power that a body is taken to have where nobody says it."""
SHAPE = 0.25
"""Largest part of the matrix of powers that a pair of conventions may leave unexplained."""
MOST_ORDERED = 6
"""Ports up to which another order of them is looked for."""
CLEARLY = 3.0
"""How much better a conjugate matrix, or one with ports in another order, must fit before that is said."""


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
        "V incident": volt,
        "V incident rms": 2 * volt,
        "V source": volt / 4,
        "V source rms": volt / 2,
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
    shaped = [p for p in every if p.misfit <= SHAPE]
    possible = [p for p in shaped if LEAST <= p.share <= 1 + CLOSES]
    low, high = 1 - CLOSES, 1 + CLOSES
    if efficiency is not None:
        low, high = (1 - ROUNDING) * efficiency[0], (1 + ROUNDING) * efficiency[1]
    closing = [p for p in shaped if low <= p.share <= high]
    if efficiency is not None:
        possible = closing
    one = _chosen(closing, possible, stated)
    values = {"amplitude": None, "drive": None} if one is None else {"amplitude": one.amplitude, "drive": one.drive}
    ruled_out = {q: _excluded(q, possible, stated) for q in stated}
    why = (_evidence(every, possible, closing, network.size, efficiency),)
    found = {q: judged(q, values[q], why, stated[q][0], stated[q][1], ruled_out[q]) for q in stated}
    return found, one


def _chosen(
    closing: list[Normalisation], possible: list[Normalisation], stated: Mapping[str, tuple[str | None, str]]
) -> Normalisation | None:
    """The pair that the data single out; None where several are possible.

    A share of a half, or of a quarter, may be a loss or another convention. So a pair that closes is taken when every
    other one would need more power than there is, or when it is the one that was said, both words of it.
    """
    said = {q: v for q, (v, _) in stated.items() if v is not None}
    both = [p for p in closing if len(said) == 2 and all(getattr(p, q) == v for q, v in said.items())]
    if both:
        return both[0]
    by_user = {q: v for q, (v, by) in stated.items() if v is not None and by == "the user"}
    rest = [p for p in possible if all(getattr(p, q) == v for q, v in by_user.items())] or possible
    left = [p for p in closing if p in rest]
    if not left or len({_meaning(p) for p in rest}) != 1:
        return None
    # The same numbers by different words: those of the user, the file, the program, in this order; else peak values.
    order = sorted(stated, key=lambda q: (_weight(stated[q][1]), q != "drive"))
    for question in order:
        left = [p for p in left if getattr(p, question) == stated[question][0]] or left
    return min(left, key=lambda p: p.amplitude != "peak")


def _meaning(pair: Normalisation) -> tuple[str, float]:
    unit, factor = DRIVE_FACTORS[pair.drive]
    return unit, round(factor * AMPLITUDES[pair.amplitude], 9)


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


def _misfit(absorbed: np.ndarray, network: Network) -> float:
    return min(p.misfit for p in pairs(absorbed, network))


def order_of_ports(absorbed: np.ndarray, network: Network) -> tuple[int, ...] | None:
    """Another order of the ports with which the powers fit the network clearly better; None without one."""
    n = network.size
    if not 2 <= n <= MOST_ORDERED:
        return None
    own = _misfit(absorbed, network)
    fits = {o: _misfit(absorbed[np.ix_(o, o)], network) for o in itertools.permutations(range(n))}
    best = min(fits, key=lambda o: fits[o])
    return best if fits[best] * CLEARLY < own and own > SHAPE / CLEARLY else None


def sense_of_powers(absorbed: np.ndarray, network: Network) -> tuple[int | None, Evidence]:
    """Sign t of exp(t jwt) of the fields, from the powers of pairs of ports beside those of the network.

    Parameters
    ----------
    absorbed : (port, port) complex ndarray
        Of the fields as they are in the file.
    network : Network
        Whose file, by its format, is of exp(+jwt).
    """
    plus, minus = _misfit(absorbed, network), _misfit(absorbed.conj(), network)
    text = (
        f"As fields of exp(+jwt) the powers of pairs of ports leave {100 * plus:.2g} % of those of the S-parameters, "
    )
    text += f"as fields of exp(-jwt) {100 * minus:.2g} %."
    best, other = min(plus, minus), max(plus, minus)
    evidence = Evidence("powers of pairs of ports", text, {"plus": plus, "minus": minus}, other / max(best, 1e-9))
    if best > SHAPE or other < CLEARLY * best or other < 0.05:
        return None, evidence
    return (1 if plus < minus else -1), evidence


def _weight(by: str) -> int:
    return 0 if by == "the user" else 1 if by == "the file" else 2


def _evidence(
    every: list[Normalisation],
    possible: list[Normalisation],
    closing: list[Normalisation],
    ports: int,
    efficiency: Sequence[float] | None,
) -> Evidence:
    listed = sorted(every, key=lambda p: (p.misfit > SHAPE, abs(math.log(max(p.share, 1e-30)))))
    numbers = {f"share, {p.amplitude} per {p.drive}": p.share for p in listed}
    numbers |= {f"misfit, {p.drive}": p.misfit for p in listed if p.amplitude == "peak"} if ports > 1 else {}
    if all(p.misfit > SHAPE for p in every):
        text = (
            "The powers of pairs of ports are not those of the S-parameters: are the ports the same, and their order?"
        )
        return Evidence("balance of power", text, numbers)
    shown = possible or listed[:2]
    near = " or ".join(f"{100 * p.share:.3g} % as {p.amplitude} per {p.drive}" for p in shown)
    text = f"Of the power that the ports accept the body has {near}"
    text += "; everything else would need more power than there is, or is less than a tenth of it." if possible else "."
    if len({_meaning(p) for p in possible}) == 1 and len(possible) > 1:
        text += " These are the same numbers by different words."
    elif len(possible) > 1 and efficiency is None:
        text += " What a coil loses and radiates is not known: efficiency = (least, largest) tells it."
    elif not closing:
        text += " The balance does not close; efficiency = (least, largest) says what the coil loses and radiates."
    shares = [abs(math.log(max(p.share, 1e-30))) for p in every if p not in closing and p.misfit <= SHAPE]
    decisive = min(shares) / max(abs(math.log(closing[0].share)), 1e-3) if closing and shares else None
    return Evidence("balance of power", text, numbers, decisive)
