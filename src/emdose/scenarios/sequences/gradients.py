"""What the gradients of the sequences of a sheet do: nerves and heart beside their limits, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.compliance.gradients import check_gradients
from emdose.dosimetry.sequences.gradients.nerves import SequencePns, sequence_pns
from emdose.dosimetry.sequences.pulses import PulseSequence
from emdose.dosimetry.stimulation.nerve import NerveModel
from emdose.dosimetry.stimulation.safe import SafeModel
from emdose.errors import InputError

WHOLE_BODY = "whole-body"
POINTS = 480
"""Moments of a course that are kept, each with the largest response of its part of the sequence."""


def evaluated(
    sequences: Sequence[PulseSequence], coil_type: str | None, hardware: SafeModel | None = None
) -> dict[str, Any]:
    """Rows of limits and courses of stimulation of every sequence, as plain values.

    Parameters
    ----------
    sequences : sequence of PulseSequence
        With their gradients.
    coil_type : str or None
        Of the gradient coils, as of :func:`emdose.check_gradients`; None leaves gradients out.
    hardware : SafeModel, optional
        Hardware model of the scanner.

    Raises
    ------
    InputError
        As :func:`emdose.check_gradients`, with the name of the sequence.
    """
    found: dict[str, Any] = {"coil_type": coil_type, "checks": [], "courses": [], "check_inputs": {}, "notes": []}
    if coil_type is None:
        found["notes"].append("Gradients were left out: no nerves, no heart.")
        return found
    models: list[NerveModel | SafeModel] = [NerveModel()] if coil_type == WHOLE_BODY else []
    models += [] if hardware is None else [hardware]
    several = len(sequences) > 1
    for one in sequences:
        if one.gradients is None:
            found["notes"].append(f"{one.name} has no gradients that were read.")
            continue
        try:
            checks = check_gradients(one.gradients, coil_type=coil_type, hardware=hardware).to_dict()
        except InputError as error:
            raise error.at(file=one.name) from None
        rows = checks.pop("rows")
        found["checks"] += [{**r, "region": f"{one.name}: {r['region']}" if several else r["region"]} for r in rows]
        found["check_inputs"] = {k: checks[k] for k in ("standard", "edition", "notes")}
        found["courses"] += [_course(sequence_pns(one, model, parts=POINTS)) for model in models]
    return found


def _course(pns: SequencePns) -> dict[str, Any]:
    """The largest responses over a sequence, when and in which block the largest of all is."""
    edges = np.asarray(pns.peaks.edges_s)
    return {
        "sequence": pns.name,
        "model": "nerve impulse response" if isinstance(pns.model, NerveModel) else f"hardware {pns.model.name}",
        "peak": pns.peak,
        "peak_time_s": pns.peak_time_s,
        "peak_block": pns.peak_block + 1,
        "axes": pns.axis_peaks,
        "times_s": (0.5 * (edges[:-1] + edges[1:])).tolist(),
        "response": np.asarray(pns.peaks.course)[:, -1].tolist(),
    }
