"""What a reduced basis saves: products per sample of a study, and thousands of samples of the model itself.

    python benchmarks/reduced_basis.py study SPACING_MM SAMPLES
    python benchmarks/reduced_basis.py model SPACING_MM SAMPLES
    python benchmarks/reduced_basis.py beside SPACING_MM SAMPLES

Layered head in a birdcage of 16 rungs at 127.74 MHz; conductivity and permittivity of its six largest tissues: normal,
sd 10 % (12 inputs), Sobol points. "study" solves both ports of every sample by ``Vie.solve(..., basis=)``, as a
scenario does; "model" makes SAR and 10 g average of every sample at B1+ 2 uT by ``em.ModelSampler``; "beside" the same
at random inputs, beside polynomials of degree 2 that are fitted to FIT samples of their own. Each adds a row to
benchmarks/results/2026-11-29-reduced-basis.json.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import norm, qmc

import emdose as em
from emdose.compute import backend
from emdose.uncertainty import check_by_trials

RESULTS = Path(__file__).parent / "results" / "2026-11-29-reduced-basis.json"
FREQUENCY_HZ, SD, TISSUES, FIT = 127.74e6, 0.1, 6, 256


def inputs(head: em.Phantom, count: int, u: np.ndarray | None = None) -> dict[str, dict[str, np.ndarray]]:
    """Properties of the largest tissues of every sample."""
    with_mass = [k for k, t in enumerate(head.tissues) if t.density_kg_m3 > 1.5]
    largest = sorted(with_mass, key=lambda k: -int((head.labels == k).sum()))[:TISSUES]
    if u is None:
        u = qmc.Sobol(2 * TISSUES, seed=1).random_base2(int(np.ceil(np.log2(max(count, 2)))))[:count]
    factors = 1 + SD * norm.ppf(u)
    tissues = [head.tissues[k] for k in largest]
    return {
        "relative_permittivity": {
            t.name: np.maximum(t.permittivity(FREQUENCY_HZ) * factors[:, 2 * i], 1.0) for i, t in enumerate(tissues)
        },
        "conductivity_S_m": {
            t.name: np.maximum(t.conductivity(FREQUENCY_HZ) * factors[:, 2 * i + 1], 0.0) for i, t in enumerate(tissues)
        },
    }


def study(exposure: em.Exposure, properties: dict[str, dict[str, np.ndarray]], count: int) -> dict[str, object]:
    """Both ports of every sample, one after the other."""
    basis, shared = em.ReducedBasis(), em.Shared()
    products, starts, cpu, errors = [], [], [], []
    for i in range(count):
        body, begun = exposure.phantom, time.process_time()
        for name in properties["conductivity_S_m"]:
            body = body.with_tissue(name, **{key: float(table[name][i]) for key, table in properties.items()})
        fields = em.Vie().solve(em.Exposure(body, exposure.coil, FREQUENCY_HZ), "cpu", shared=shared, basis=basis)
        cpu.append(time.process_time() - begun)
        products.append(fields.convergence["products"])
        starts.append(max(fields.convergence["start_residual"]))
        errors.append(max(fields.convergence["E_error_estimate"]))
        if i % 8 == 0:
            print(f"sample {i}: products {products[-1]}, start {starts[-1]:.1e}, {cpu[-1]:.2f} s of CPU", flush=True)
    means = np.mean(products, axis=1)
    return {
        "mean_products_per_port": float(means.mean()),
        "products_by_sample": [float(m) for m in means],
        "start_residual_by_sample": [float(f"{s:.3g}") for s in starts],
        "cpu_s_by_sample": [round(c, 3) for c in cpu],
        "largest_E_error_estimate": max(errors),
        "vectors": fields.convergence["basis_vectors"],
        "basis_MiB": basis.bytes / 2**20,
    }


def model(exposure: em.Exposure, properties: dict[str, dict[str, np.ndarray]], count: int) -> dict[str, object]:
    """SAR and average of every sample."""
    begun, cpu = time.perf_counter(), time.process_time()
    basis = em.ReducedBasis()
    sampler = em.ModelSampler(exposure, b1plus_rms_T=2e-6, device="cpu", basis=basis)
    ready = time.process_time() - cpu
    at: list[float] = []
    found = sampler.run(**properties, each=lambda *_: at.append(time.process_time() - cpu))
    steps = np.diff([ready, *at])
    late = steps[count // 2 :]
    average = found["peak_10g_sar_W_kg"]
    return {
        "wall_s": time.perf_counter() - begun,
        "cpu_s": time.process_time() - cpu,
        "setup_cpu_s": ready,
        "cpu_s_per_sample_second_half": float(late.mean()),
        "products": int(found.products.sum()),
        "iterated_samples": int((found.products > 0).sum()),
        "iterated_samples_second_half": int((found.products[count // 2 :] > 0).sum()),
        "largest_residual": float(found.residual.max()),
        "largest_E_error_estimate": float(found.E_error_estimate.max()),
        "checked": len(found.checked),
        "largest_difference_of_checked_residuals": float(np.abs(np.diff(found.checked, axis=1)).max(initial=0.0)),
        "vectors": found.vectors,
        "basis_MiB": basis.bytes / 2**20,
        "peak_10g_W_kg": {"mean": float(average.mean()), "sd": float(average.std(ddof=1))},
        "peak_10g_quantiles_2.5_50_97.5": [float(q) for q in np.quantile(average, [0.025, 0.5, 0.975])],
    }


def beside(exposure: em.Exposure, _: dict[str, dict[str, np.ndarray]], count: int) -> dict[str, object]:
    """Trials of the model beside polynomials of other samples of it."""
    begun, cpu = time.perf_counter(), time.process_time()
    sampler = em.ModelSampler(exposure, b1plus_rms_T=2e-6, device="cpu", basis=em.ReducedBasis())
    laws = em.Inputs([em.Input(f"x{i}", em.Normal(0.0, 1.0)) for i in range(2 * TISSUES)])
    U = np.random.default_rng(1).random((count, 2 * TISSUES))
    first = qmc.Sobol(2 * TISSUES, seed=1).random(FIT)
    fitted, tried = (sampler.run(**inputs(exposure.phantom, len(u), u)) for u in (first, U))
    checks = {}
    for name in ("peak_10g_sar_W_kg", "whole_body_sar_W_kg"):
        chaos = em.polynomial_chaos(laws, norm.ppf(first), fitted[name], 2)
        draws, predicted = chaos.sample(65536), chaos.predict(norm.ppf(U))
        checks[name] = check_by_trials(name, tried[name], draws, float(chaos.loo), predicted=predicted).to_dict()
    return {
        "wall_s": time.perf_counter() - begun,
        "cpu_s": time.process_time() - cpu,
        "fit_samples": FIT,
        "iterated_samples": [int((found.products > 0).sum()) for found in (fitted, tried)],
        "largest_residual": float(max(fitted.residual.max(), tried.residual.max())),
        "vectors": tried.vectors,
        "checks": checks,
    }


def main() -> None:
    """Measure, print, and add to the file."""
    what, spacing, count = sys.argv[1], float(sys.argv[2]) * 1e-3, int(sys.argv[3])
    head = em.phantoms.layered_head(spacing_m=spacing)
    exposure = em.Exposure(head, em.Birdcage(rungs=16, radius_m=0.15, length_m=0.20), FREQUENCY_HZ)
    row = {
        "what": what,
        "spacing_mm": 1e3 * spacing,
        "samples": count,
        "date": datetime.date.today().isoformat(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "device": backend.get("cpu").describe(),
        "versions": {"emdose": em.__version__, "numpy": np.__version__},
        "load_at_start": os.getloadavg()[0],
        **{"study": study, "model": model, "beside": beside}[what](exposure, inputs(head, count), count),
        "load_at_end": os.getloadavg()[0],
        "peak_memory_GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(json.dumps({k: v for k, v in row.items() if not k.endswith("by_sample")}, indent=1))
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = [r for r in rows if (r["what"], r["spacing_mm"], r["samples"]) != (what, 1e3 * spacing, count)]
    RESULTS.write_text(json.dumps([*rows, row], indent=1) + "\n")


if __name__ == "__main__":
    main()
