"""Several sequences one after the other: a protocol as one sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emdose.checks import array
from emdose.dosimetry.sequences.pulses import NONE, PulseSequence, RfPulse
from emdose.errors import InputError


def protocol(
    sequences: Sequence[PulseSequence], pauses_s: float | Sequence[float] = 0.0, *, name: str = "protocol"
) -> PulseSequence:
    """Sequences in their order, with pauses between them, as one sequence.

    Parameters
    ----------
    sequences : sequence of PulseSequence
        What is played.
    pauses_s : float or (n - 1,) sequence of float
        How long nothing is played between one and the next [s]: one for all, or one each.
    name : str
        Name shown in reports.

    Returns
    -------
    PulseSequence
        Its entry ``about["parts"]`` says where each one begins. Gradients are left out: what they stimulate is
        decided within each sequence.

    Raises
    ------
    InputError
        For no sequence, pauses that do not fit or are negative, and sequences of different channels or nuclei.
    """
    every = list(sequences)
    if not every:
        raise InputError("a protocol of no sequence", field="sequences", expected="at least one sequence")
    pauses = np.asarray(pauses_s, float)
    wanted = len(every) - 1
    if pauses.shape not in ((), (wanted,)):
        raise InputError(
            "pauses do not fit the sequences", field="pauses_s", found=pauses.shape, expected=f"one, or {wanted}"
        )
    pauses = array("pauses_s", np.broadcast_to(pauses, (wanted,)), (wanted,), least=0.0)
    channels = sorted({s.channels for s in every if s.channels is not None})
    if len(channels) > 1:
        raise InputError("sequences of different numbers of channels", field="sequences", found=channels)
    if len({s.gamma_Hz_T for s in every}) > 1:
        raise InputError("sequences of different nuclei", field="sequences", found=[s.gamma_Hz_T for s in every])
    pulses: list[RfPulse] = []
    shims = np.zeros((0, channels[0] if channels else 0), complex)
    durations, rf, shim, parts, block, now = [], [], [], [], 0, 0.0
    for n, one in enumerate(every):
        told = {"start_s": now, "duration_s": one.duration_s, "first_block": block}
        parts.append({"name": one.name, **told, "definitions": one.about.get("definitions") or {}})
        rf.append(np.where(one.rf >= 0, one.rf + len(pulses), NONE))
        own = np.asarray(one.shim)
        shim.append(np.where(own >= 0, own + len(shims), NONE))
        durations.append(one.durations_s)
        pulses += one.pulses
        shims = np.concatenate([shims, one.shims]) if len(one.shims) else shims
        block, now = block + len(one.rf), now + one.duration_s
        if n < wanted and pauses[n] > 0:
            durations.append(pauses[n : n + 1])
            rf.append(np.array([NONE]))
            shim.append(np.array([NONE]))
            block, now = block + 1, now + float(pauses[n])
    return PulseSequence(
        name,
        np.concatenate(durations),
        np.concatenate(rf),
        tuple(pulses),
        np.concatenate(shim),
        shims,
        None,
        every[0].gamma_Hz_T,
        {"kind": "protocol", "parts": parts, "pauses_s": pauses.tolist()},
    )
