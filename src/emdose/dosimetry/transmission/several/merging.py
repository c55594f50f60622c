r"""One cover of several sets of matrices: bodies, positions, coils that move, and the parts of a body beside them.

What bounds the matrices of every set bounds what is in any of them, for every drive and every average. Sets of virtual
observation points are covered in the place of what they bound; their certificates are multiplied, so that the result
can be checked against the matrices that each was made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emdose.checks import positive, unknown
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.transmission.combinations import table_of
from emdose.dosimetry.transmission.compression import MEMORY_BYTES, cover_of_blocks, require_overestimate
from emdose.dosimetry.transmission.global_forms import GlobalMatrices
from emdose.dosimetry.transmission.several.sets import Certificate, JoinedSets, named
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError
from emdose.values import owned

PARTS = "parts of the body"


def merge_vops(
    sets: Mapping[str, Any] | Sequence[Any],
    overestimate: float = 0.1,
    *,
    added: str | np.ndarray = "identity",
    global_matrices: Mapping[str, GlobalMatrices] | None = None,
    global_ratios: Mapping[str, float] | None = None,
    device: str | Backend = "auto",
    memory_bytes: float = MEMORY_BYTES,
) -> VirtualObservationPoints:
    r"""One set of virtual observation points for several bodies, positions or samples, with a certificate for each.

    Parameters
    ----------
    sets : mapping of str to set, or sequence of sets
        By name: Q-matrices, blocks of them, temperature matrices, or virtual observation points with their certificate.
    overestimate : float
        Norm of what is added, over the largest eigenvalue of all. Virtual observation points have been added to before;
        for them a small one, such as 0.01, keeps the result tight.
    added : {"identity", "global"} or (port, port) ndarray
        Shape of what is added, see :func:`emdose.compress`.
    global_matrices : mapping of str to GlobalMatrices, optional
        Matrices of parts of some of the bodies, which are to be bounded too, so that no other limit is needed.
    global_ratios : mapping of str to float, optional
        For each of their parts the limit of local SAR over that of the part, such as {"whole body": 10 / 2}.
    device : str or Backend
        Where it is computed.
    memory_bytes : float
        How much memory matrices may take at a time [bytes].

    Returns
    -------
    VirtualObservationPoints
        ``certify(q, source=name)`` checks each set, ``certify({name: q, ...})`` all. ``overestimate`` is the largest
        norm of all that was ever added, over the largest eigenvalue.

    Raises
    ------
    InputError
        For sets that are not of the same ports, drives, quantity, averaging, rule and frequency; for points without a
        certificate or with a margin; for parts without a ratio; and as :func:`emdose.compress`.

    Notes
    -----
    With :math:`r_p Q_p` of the parts, :math:`r_p = L_\text{local} / L_p`, among the V, :math:`v^H V v \le
    L_\text{local}` of all V keeps the limits of the parts as well, and what these limits bound of local SAR needs no
    other V.

    Source: G. Eichfelder and M. Gebhardt, Magn. Reson. Med. 66 (2011) 1468-1476; S. Orzada et al., Magn. Reson. Mater.
    Phys. 37 (2024) (matrices that a global limit bounds).
    """
    require_overestimate(overestimate)
    positive("memory_bytes", memory_bytes)
    found = named(sets, "set")
    joined = JoinedSets(found)
    parts, ratios = _parts(found, global_matrices, global_ratios)
    scaled = {name: one.scaled(ratios) for name, one in parts.items()}
    held = np.concatenate(list(scaled.values())) if scaled else None
    cover, values = cover_of_blocks(joined, overestimate, added, backend.get(device), memory_bytes, held)
    certificate, at = Certificate(len(cover.chosen)), 0
    for name, matrices in scaled.items():
        own = np.eye(len(cover.chosen))[at : at + len(matrices)]
        certificate.add(f"{name}, {PARTS}", matrices, own, np.arange(len(matrices)))
        at += len(matrices)
    table, largest, before = table_of(cover.combinations, len(cover.chosen)), 0.0, 0.0
    for n, (name, one) in enumerate(found.items()):
        some = slice(joined.starts[n], joined.starts[n + 1])
        certificate.add(name, one, table, cover.bound[some])
        is_bound = isinstance(one, VirtualObservationPoints)
        largest = max(largest, one.largest if is_bound else float(values[some].max()))
        before = max(before, one.overestimate * one.largest if is_bound else 0.0)
    ratios = ratios or _common_ratios(found)
    return VirtualObservationPoints(
        owned(cover.matrices),
        joined.ports,
        joined.drive_unit,
        (overestimate * float(values.max()) + before) / largest,
        "cover",
        owned(cover.chosen.astype(np.int64)),
        largest=largest,
        rule=joined.rule,
        averaging_mass_kg=joined.averaging_mass_kg,
        frequency_Hz=joined.frequency_Hz,
        unit=joined.unit,
        time_s=joined.time_s,
        assumptions=joined.assumptions,
        requires_global_limit=not ratios or (bool(parts) and set(parts) != set(found)),
        global_ratios=ratios,
        **certificate.arrays(),
    )


def _parts(
    sets: Mapping[str, Any], matrices: Mapping[str, GlobalMatrices] | None, ratios: Mapping[str, float] | None
) -> tuple[dict[str, GlobalMatrices], dict[str, float]]:
    """Matrices of parts by set, and the ratios of limits by part."""
    found, by_part = dict(matrices or {}), dict(ratios or {})
    if bool(found) != bool(by_part):
        field = "global_ratios" if found else "global_matrices"
        raise InputError("matrices of parts and ratios of their limits go together", field=field, expected="both")
    for name, one in found.items():
        if name not in sets:
            raise unknown("parts of a body that is not among the sets", name, sets, field="global_matrices")
        if not isinstance(one, GlobalMatrices):
            raise InputError("no global matrices", field=name, found=type(one).__name__, expected="em.global_matrices")
        body = sets[name]
        one.require_of(body, name)
        if body.unit != "W/kg":
            raise InputError("parts of a body beside another quantity", field=name, found=body.unit, expected="W/kg")
    return found, by_part


def _common_ratios(sets: Mapping[str, Any]) -> dict[str, float]:
    """Ratios by which all sets hold the parts of their bodies; empty where one does not, or by another."""
    held = [{} if getattr(one, "requires_global_limit", True) else dict(one.global_ratios) for one in sets.values()]
    return held[0] if all(one == held[0] for one in held) else {}
