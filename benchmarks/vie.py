"""The volume integral by itself: product, Krylov method, many ports, frequencies, set-up, and the Mie table it reaches.

`--gpu` adds the 2 mm head with 8 ports on CUDA. The product is set beside the time that its six pruned FFT passes need
to stream through memory at the measured bandwidth, and beside six full-size scipy.fft transforms, which is what a plain
implementation spends. No peer is installed or run here.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em
from emdose.compute import backend
from emdose.compute.krylov import gmres
from emdose.solvers.vie.principal import principal_solutions
from emdose.solvers.vie.problem import VieProblem
from emdose.validation.cases.volume_integral import edge_errors, solve_sphere


def median_ms(function: Callable[[], Any], be: backend.Backend, repeats: int) -> float:
    function()
    times = []
    for _ in range(repeats):
        be.synchronize()
        begin = time.perf_counter()
        function()
        be.synchronize()
        times.append(time.perf_counter() - begin)
    return round(1e3 * statistics.median(times), 3)


def product(spacing_m: float, be: backend.Backend, repeats: int, coil: Any) -> dict[str, Any]:
    exposure = em.Exposure(em.phantoms.layered_head(spacing_m=spacing_m), coil, 127.74e6)
    begin = time.perf_counter()
    problem = VieProblem(em.Vie(), exposure, be)
    be.synchronize()
    setup = time.perf_counter() - begin
    ports = list(range(len(coil.ports))) if be.name == "cuda" else [0]
    x = problem.right_hand_sides(ports)
    one = median_ms(lambda: problem.apply(x), be, repeats)
    (nx, ny, _), (bx, by, bz) = problem.shape, problem.convolution.big
    passes = nx * ny * bz + nx * by * bz + bx * by * bz
    bandwidth = backend.measure_bandwidth(be)
    streaming = 1e3 * len(ports) * 2 * 2 * 3 * 8 * passes / bandwidth
    padded = be.xp.ones((len(ports), 3, bx, by, bz), np.complex64)
    six = 2 * median_ms(lambda: be.fftn(padded, axes=(2, 3, 4)), be, repeats)
    return {
        "spacing_m": spacing_m,
        "unknowns": len(problem.index),
        "fft_shape": [bx, by, bz],
        "ports_at_once": len(ports),
        "setup_s": round(setup, 3),
        "ms_per_product": one,
        "ms_streaming": round(streaming, 3),
        "ratio_to_streaming": round(one / streaming, 2),
        "ms_six_full_ffts": round(six, 3),
        "ratio_to_six_full_ffts": round(one / six, 2),
        "ms_static_inverse": median_ms(lambda: problem.precondition(x), be, repeats),
        "bandwidth_GB_s": round(bandwidth / 1e9, 1),
    }


def solve(spacing_m: float, be: backend.Backend, coil: Any, repeats: int, **options: Any) -> dict[str, Any]:
    exposure = em.Exposure(em.phantoms.layered_head(spacing_m=spacing_m), coil, 127.74e6)
    timings, fields = [], None
    for _ in range(repeats + 1):
        fields = em.Vie(**options).solve(exposure, device=be)
        timings.append(fields.provenance["timing_s"])
    part = {k: round(statistics.median(t[k] for t in timings[1:]), 3) for k in timings[0]}
    return {
        "spacing_m": spacing_m,
        "coil": coil.name,
        "ports": len(coil.ports),
        **options,
        "products": fields.convergence["products"],
        "timing_s": part,
        "s_per_port": round(part["ports"] / len(coil.ports), 3),
        "E_error_estimate": max(fields.convergence["E_error_estimate"]),
        "closure": fields.drive(next(iter(coil.drives))).power.power()["closure"],
    }


def meshes(count: int = 16, radius_m: float = 0.15, length_m: float = 0.2) -> em.Coil:
    """A birdcage whose meshes between neighbouring rungs are ports of their own."""
    turns = 2 * np.pi * np.arange(count) / count
    ring = np.stack([radius_m * np.cos(turns), radius_m * np.sin(turns), np.zeros(count)], axis=1)
    up = np.array([0.0, 0.0, 0.5 * length_m])
    after = np.roll(ring, -1, axis=0)
    rungs = np.stack([ring - up, ring + up], axis=1)
    rings = [np.stack([ring + end, after + end], axis=1) for end in (up, -up)]
    one = np.eye(count)
    currents = np.concatenate([one - np.roll(one, 1, axis=1), one, -one], axis=1)
    ports = [f"mesh {p + 1}" for p in range(count)]
    segments = np.concatenate([rungs, *rings])
    return em.Coil(
        name="meshes", segments=segments, currents=currents, ports=ports, drives={"circular": np.exp(-1j * turns)}
    )


def many_ports(spacing_m: float, be: backend.Backend, coil: Any, frequency_Hz: float) -> dict[str, Any]:
    """Products for all ports: together, each by itself, and as the equations stand, without the static inverse."""
    exposure = em.Exposure(em.phantoms.layered_head(spacing_m=spacing_m), coil, frequency_Hz)
    problem = VieProblem(em.Vie(), exposure, be)
    b = problem.right_hand_sides(list(range(len(coil.ports))))
    row: dict[str, Any] = {"spacing_m": spacing_m, "coil": coil.name, "ports": len(b), "frequency_Hz": frequency_Hz}
    for tolerance in (1e-2, 1e-3, 1e-4):
        principal_solutions(problem, b[:1], 0.1)
        begin = time.perf_counter()
        together = principal_solutions(problem, b, tolerance)
        be.synchronize()
        row[f"{tolerance:g}"] = {
            "together": together.products,
            "seconds": round(time.perf_counter() - begin, 3),
            "alone": sum(principal_solutions(problem, b[p : p + 1], tolerance).products for p in range(len(b))),
        }
    row["0.0001"]["plain_gmres_50_of_one"] = gmres(
        problem.apply, b[:1], tolerance=1e-4, restart=50, max_iterations=1000, be=be
    ).products
    return row


def frequencies(be: backend.Backend) -> list[dict[str, Any]]:
    """A head of 10 mm in a birdcage from 128 kHz up: products, and the error of E that is left."""
    rows = []
    for frequency in (128e3, 1e6, 10e6, 64e6, 128e6, 298e6):
        exposure = em.Exposure(em.phantoms.layered_head(spacing_m=10e-3), em.Birdcage(), frequency)
        told = em.Vie().solve(exposure, device=be, progress=False).convergence
        rows.append(
            {
                "frequency_Hz": frequency,
                "dtype": told["dtype"],
                "products": sum(told["products"]),
                "E_error_estimate": max(told["E_error_estimate"]),
            }
        )
    return rows


def spheres(be: backend.Backend) -> list[dict[str, Any]]:
    rows = []
    for frequency in (128e6, 298e6):
        for spacing in (10e-3, 5e-3):
            begin = time.perf_counter()
            fields, sphere = solve_sphere(frequency, spacing, be)
            seconds = time.perf_counter() - begin
            error = edge_errors(fields, sphere)
            power = fields.power.power()["absorbed_W"] / sphere.power()["absorption"] - 1
            rows.append(
                {
                    "frequency_Hz": frequency,
                    "spacing_m": spacing,
                    "unknowns": fields.convergence["unknowns"],
                    "products": fields.convergence["products"],
                    "seconds": round(seconds, 3),
                    "E_core": round(error["core"], 5),
                    "E_all": round(error["all"], 5),
                    "absorbed": round(power, 5),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--gpu", action="store_true", help="the 2 mm head with 8 ports, on CUDA")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()

    be = backend.get("cuda" if given.gpu else given.device)
    about = be.describe()
    result: dict[str, Any] = {
        "benchmark": "volume integral",
        "date": time.strftime("%Y-%m-%d"),
        "device": about["name"],
        "threads": about.get("threads"),
        "kernels": about["kernels"],
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("emdose", "numpy", "scipy")},
        "product": [product(5e-3, be, 3 * given.repeats, em.Birdcage())],
        "head": [solve(5e-3, be, em.Birdcage(), given.repeats, method=m) for m in ("gmres", "cocr", "bicgstab")],
        "many_ports": [many_ports(5e-3, be, coil, f) for coil, f in ((em.LoopArray(8), 298e6), (meshes(), 127.74e6))],
        "frequencies": frequencies(be),
        "spheres": spheres(be),
    }
    if given.gpu:
        array = em.LoopArray(8)
        result["product"].append(product(2e-3, be, 3 * given.repeats, array))
        result["head"] += [solve(2e-3, be, array, given.repeats, method=m) for m in ("gmres", "cocr")]
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
