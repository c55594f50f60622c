"""A cage of metal around a head: coupled boundary elements beside finite differences in time, in the same run.

Measured: the 16-rung shielded high-pass cage around the layered head, tuned and matched at 127.74 MHz, by ``Vsie`` with
two and four cells across a strip, and by ``Fdtd`` with the options of ``emdose demo birdcage-fdtd`` (``--fdtd``); the
same cage with another shield and another place by the answers of the body (``--response``); an 8-channel array of
strips around a head of fine voxels (``--array 2``, voxels in mm). A JSON object goes to stdout. Memory is the most that
the process has taken so far, so that what is to be judged by it runs first and alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em
from emdose.circuits.matching import match
from emdose.circuits.unloaded import tune
from emdose.compute import backend
from emdose.solvers.cosimulation import CoSimulation
from emdose.solvers.mom.meshing.options import MeshOptions

FREQUENCY_HZ = 127.74e6


def cage(shield_m: float = 0.18, shift_m: float = 0.0) -> em.CircuitBirdcage:
    """The cage."""
    coil = em.CircuitBirdcage(strip_width_m=0.01, shield_radius_m=shield_m, shield_length_m=0.26)
    return coil.translate((0.0, 0.0, shift_m))


def matched(gaps: CoSimulation, pattern: np.ndarray) -> tuple[CoSimulation, float]:
    """Tuned and matched, and its capacitance [pF]."""
    tuned = gaps.tune(pattern=pattern, frequency_Hz=FREQUENCY_HZ)
    found = match(tuned.network, tuned.circuit, FREQUENCY_HZ, kind="two capacitors")
    return tuned.with_circuit(found.circuit), 1e12 * (tuned.coil.elements[0].capacitance_F or 0.0)


def timed(job: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a job gives, and seconds by the clock and of processor time."""
    begin = time.perf_counter(), time.process_time()
    out = job()
    seconds, processor = time.perf_counter() - begin[0], time.process_time() - begin[1]
    return out, {"seconds": round(seconds, 2), "processor_s": round(processor, 2)}


def of_cage(solver: Any, head: em.Phantom, pattern: np.ndarray) -> dict[str, Any]:
    """One engine on the cage: from nothing to the driven fields."""
    gaps, network = timed(lambda: solver.cosimulate(em.Exposure(head, cage(), FREQUENCY_HZ), [FREQUENCY_HZ]))
    (done, capacitance), algebra = timed(lambda: matched(gaps, pattern))
    fields, field_time = timed(done.fields)
    driven = fields.drive("quadrature").scale(b1plus_rms_T=2e-6)
    power = driven.power.power()
    told = fields.convergence
    return {
        "network": network,
        "tuned_and_matched": algebra,
        "fields": field_time,
        "seconds": round(network["seconds"] + algebra["seconds"] + field_time["seconds"], 2),
        "peak_GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "metal_unknowns": told.get("metal_unknowns"),
        "products": {"network": told.get("network_products"), "fields": told.get("products")},
        "parts_s": {k: v for k, v in fields.provenance["timing_s"].items() if not isinstance(v, dict)},
        "C_pF": round(capacitance, 4),
        "absorbed_W": round(power["absorbed_W"], 4),
        "closure": float(f"{power['closure']:.2g}"),
    }


def of_response(head: em.Phantom, pattern: np.ndarray, across: int) -> dict[str, Any]:
    """Answers of the head, and other cages by them, beside their direct solutions."""
    solver = em.Vsie(mesh=MeshOptions(across=across))
    response, build = timed(
        lambda: em.BodyResponse.around(head, FREQUENCY_HZ, radius_m=0.142, length_m=0.4, error=5e-3)
    )
    out: dict[str, Any] = {"answers": {**build, "rank": response.rank, **dict(response.about)}}
    for name, coil in (("shield 170 mm", cage(0.17)), ("10 mm upwards", cage(shift_m=0.01))):
        gaps, one = timed(lambda coil=coil: response.cosimulate(coil, solver=solver))
        direct, two = timed(lambda coil=coil: solver.cosimulate(em.Exposure(head, coil, FREQUENCY_HZ), [FREQUENCY_HZ]))
        C = [matched(g, pattern)[1] for g in (gaps, direct)]
        error = float(f"{gaps.gap_fields.error.max():.2g}")
        out[name] = {"by_answers": one, "direct": two, "C_pF": C, "stated_error": error}
    return out


def of_array(spacing_m: float) -> dict[str, Any]:
    """Fields of the eight channels of an array of strips."""
    head = em.phantoms.layered_head(spacing_m=spacing_m)
    coil = em.StripArray()
    fields, seconds = timed(lambda: em.Vsie().solve(em.Exposure(head, coil, 297.2e6)))
    told = fields.convergence
    return {
        **seconds,
        "peak_GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "ports": len(fields.ports),
        "unknowns": told["unknowns"],
        "metal_unknowns": told["metal_unknowns"],
        "products": {"network": told["network_products"], "fields": told["products"]},
        "closure": float(f"{fields.power.power(np.eye(len(fields.ports))[0])['closure']:.2g}"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--spacing", type=float, default=5.0, help="voxels of the head in the cage [mm]")
    parser.add_argument("--fdtd", action="store_true")
    parser.add_argument("--response", action="store_true")
    parser.add_argument("--array", type=float, help="voxels of the head in the array [mm]")
    given = parser.parse_args()
    results: dict[str, Any] = {}
    if given.array:
        results[f"array, {given.array:g} mm"] = of_array(1e-3 * given.array)
    else:
        head = em.phantoms.layered_head(spacing_m=1e-3 * given.spacing)
        pattern = tune(cage(), FREQUENCY_HZ).pattern()
        small = em.phantoms.layered_head(spacing_m=10e-3)
        of_cage(em.Vsie(mesh=MeshOptions(across=2)), small, pattern)  # loads code
        for across in (2, 4):
            results[f"Vsie, {across} across"] = of_cage(em.Vsie(mesh=MeshOptions(across=across)), head, pattern)
            print(json.dumps(results, indent=2, default=str), file=sys.stderr)
        if given.response:
            results["answers"] = of_response(head, pattern, 2)
        if given.fdtd:
            results["Fdtd"] = of_cage(em.Fdtd(margin_m=0.03, cpml_cells=6, tolerance=3e-3), head, pattern)
            ratios = {k: round(results["Fdtd"]["seconds"] / v["seconds"], 1) for k, v in results.items() if "Vsie" in k}
            results["Fdtd over Vsie"] = ratios
    out = {"machine": backend.get("auto").describe(), "python": platform.python_version(), "results": results}
    text = json.dumps(out, indent=2, default=str)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
