"""Whole sequences: the safety sheet of 10 minutes in 20 000 blocks, beside the field solution it needs once.

A turbo spin echo written by pypulseq, on the coil and head of the bundled scenario "sequence-sheet" (one drive), and on
eight loops around the same head, each channel by itself, with the default mode, with 4 shims in turns, and with another
shim for every excitation. Seconds by the clock and of processor time; what should be reached stands beside. A JSON
object goes to stdout.

    python benchmarks/sequences.py [--out FILE]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em
from emdose import scenarios
from emdose.io.sequences.examples import write_tse
from emdose.scenarios.loading import from_tables

SHOTS, SLICES, ECHOES = 26, 15, 12
REACH_s = 10.0


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """A run by the clock, its processor time [s], and what was made."""
    begin = time.perf_counter(), time.process_time()
    made = work()
    spent = {"wall_s": time.perf_counter() - begin[0], "processor_s": time.process_time() - begin[1]}
    return {k: round(v, 3) for k, v in spent.items()}, made


def array() -> Any:
    """Eight loops around the head of the bundled scenario."""
    plain = scenarios.load(scenarios.bundled("sequence-sheet")).values()
    plain["scenario"] = {"kind": "rf", "name": "eight-loops"}
    loops = {"type": "loop-array", "elements": 8, "radius_m": 0.145, "length_m": 0.16, "shield_radius_m": 0.19}
    tables = {k: plain[k] for k in ("scenario", "phantom", "exposure", "normalise")}
    tables["phantom"] = {"type": "layered-head", "spacing_m": 5e-3}
    tables["normalise"] = {"b1plus_rms_T": 1e-6, "over": "slice"}
    return from_tables({**tables, "coil": loops, "checks": {"patient_mass_kg": 75.0}}, Path("eight-loops.toml"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    found: dict[str, Any] = {
        "versions": {name: importlib.metadata.version(name) for name in ("emdose", "numpy", "scipy", "pypulseq")},
        "machine": platform.platform(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        file = write_tse(place / "tse.seq", slices=SLICES, shots=SHOTS, echoes=ECHOES, repetition_s=600 / SHOTS)
        found["reading"], sequence = timed(lambda: em.read_pulse_sequence(file))
        found["reading"] |= {"blocks": len(sequence.rf), "pulses": int((sequence.rf >= 0).sum())}
        found["reading"]["duration_s"] = round(sequence.duration_s, 3)
        for title, scenario in (("one drive", scenarios.load(scenarios.bundled("sequence-sheet"))), ("eight", array())):
            field = place / title
            found[f"field, {title}"], _ = timed(lambda s=scenario, f=field: em.run_scenario(s, f, progress=False))
            cases: dict[str, Any] = {"one drive": file}
            if title == "eight":
                cases = {}
                for count in (4, int((sequence.rf >= 0).sum()) // (ECHOES + 1)):
                    shims = np.exp(2j * np.pi * rng.random((count, 8)))
                    turn = (np.cumsum(np.isin(np.arange(len(sequence.rf)), sequence.repetitions)) - 1) % count
                    shim = np.where(sequence.rf >= 0, turn, -1)
                    cases[f"eight channels, {count} shims"] = replace(sequence, shim=shim, shims=shims)
            for case, what in cases.items():
                spent, sheet = timed(lambda w=what, f=field: em.sequence_sheet(w, f, place / "sheet", progress=False))
                local = sheet.whole.quantity("10 g")
                found[f"sheet, {case}"] = {
                    **spent,
                    "matrices": local.matrices,
                    "10 g SAR, worst 10 s": local.window(10.0).value,
                    "reach_s": REACH_s,
                }
    text = json.dumps(found, indent=1)
    print(text)
    if out is not None:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
