"""Polynomial chaos of maps: 165 terms from 400 samples, with all Sobol indices and leave-one-out errors.

Measured: the fit of a million outputs in memory; one prediction of all of them; the peak of 4096 predictions; the fit
of ten million outputs that lie on disk, coefficients written there too; and one output by OpenTURNS (sparse and full)
and by chaospy (with its own Sobol indices), where they are installed. Each part runs in a process of its own, whose
peak of memory is stated, its outputs included. Wall-clock and processor seconds, and the load of the machine before. A
JSON object goes to stdout.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em
from emdose.compute import backend
from emdose.uncertainty import design

DEGREE, SAMPLES = 8, 400
CUBE = em.Inputs(tuple(em.Input(f"x{i}", em.Uniform(low=-np.pi, high=np.pi)) for i in range(3)))
PARTS = ("memory", "disk", "emdose_one", "openturns", "chaospy")


def ishigami(X: np.ndarray) -> np.ndarray:
    """The function of one output."""
    y: np.ndarray = np.sin(X[:, 0]) + 7 * np.sin(X[:, 1]) ** 2 + 0.1 * X[:, 2] ** 4 * np.sin(X[:, 0])
    return y


def outputs(X: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Outputs (n, end - begin) in single precision: random mixtures of smooth functions of the inputs."""
    parts = np.stack([np.sin(X[:, 0]), np.sin(X[:, 1]) ** 2, X[:, 2] ** 4 * np.sin(X[:, 0]), X[:, 1] * X[:, 2]])
    mix = np.random.default_rng(begin).random((len(parts), end - begin), dtype=np.float32)
    made: np.ndarray = parts.T.astype(np.float32) @ mix
    return made


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Result of a call, its wall-clock and processor seconds, the load of the machine before it."""
    load = os.getloadavg()[0]
    begin, cpu = time.perf_counter(), time.process_time()
    result = work()
    spent = {
        "seconds": time.perf_counter() - begin,
        "processor_seconds": time.process_time() - cpu,
        "load_before": load,
    }
    return result, {k: round(v, 4) for k, v in spent.items()}


def in_memory(m: int, runs: int, device: str) -> dict[str, Any]:
    """Fit, prediction and peaks of a map in memory."""
    be = backend.get(device)
    X = CUBE.of_uniform(design("sobol", SAMPLES, CUBE))
    Y: Any = np.empty((SAMPLES, m), np.float32)
    for a in range(0, m, 50_000):
        Y[:, a : a + 50_000] = outputs(X, a, min(a + 50_000, m))
    Y = be.asarray(Y)

    def fitted() -> Any:
        c = em.polynomial_chaos(CUBE, X, Y, DEGREE)
        be.synchronize()
        return c

    em.polynomial_chaos(CUBE, X, Y[:, :1000], DEGREE)
    fits = []
    for _ in range(runs):
        c, spent = timed(fitted)
        fits.append(spent)
    found = {"terms": c.basis.terms, "outputs": m, "fit": fits, "peak_GiB": peak_gib()}
    one = CUBE.sample(1, seed=9)
    found["prediction"] = [timed(lambda: be.to_numpy(c.predict(one)))[1] for _ in range(runs)]
    peaks, found["peaks_of_4096_predictions"] = timed(lambda: em.peak_samples(c))
    found["peaks_of_4096_predictions"]["candidates"] = peaks.candidates
    return found


def on_disk(m: int, folder: Path) -> dict[str, Any]:
    """Fit of a map on disk."""
    X = CUBE.of_uniform(design("sobol", SAMPLES, CUBE))
    path = folder / "outputs.npy"
    header = {"descr": "<f4", "fortran_order": False, "shape": (SAMPLES, m)}
    step = 200_000
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for a in range(0, m, step):
            for i, row in enumerate(outputs(X, a, min(a + step, m))):
                file.seek(start + 4 * (i * m + a))
                file.write(row.tobytes())
        file.flush()
        os.fsync(file.fileno())
    if hasattr(os, "posix_fadvise"):  # what was just written is not yet in memory for those who read it later
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    _, spent = timed(lambda: em.polynomial_chaos(CUBE, X, path, DEGREE, coefficients=folder / "coefficients.npy"))
    return {"outputs": m, "bytes_read": path.stat().st_size, "fit": spent, "peak_GiB": peak_gib()}


def one_by_emdose() -> dict[str, Any]:
    """One output, dense and sparse."""
    X = CUBE.of_uniform(design("sobol", SAMPLES, CUBE))
    y = ishigami(X)
    found = {}
    em.polynomial_chaos(CUBE, X[:20], y[:20], 1)
    for name, sparse in (("full", False), ("sparse", True)):
        c, found[name] = timed(lambda sparse=sparse: em.polynomial_chaos(CUBE, X, y, DEGREE, sparse=sparse))
        found[name]["error_of_total_indices"] = error(c.total)
    return found


def one_by_openturns() -> dict[str, Any]:
    """One output by OpenTURNS, with its Sobol indices."""
    import openturns as ot

    X = CUBE.of_uniform(design("sobol", SAMPLES, CUBE))
    inputs, output = ot.Sample(X), ot.Sample(ishigami(X)[:, None])
    law = ot.JointDistribution([ot.Uniform(-np.pi, np.pi)] * 3)
    basis = ot.OrthogonalProductPolynomialFactory([ot.LegendreFactory()] * 3, ot.LinearEnumerateFunction(3))
    select = ot.LeastSquaresMetaModelSelectionFactory(ot.LARS(), ot.CorrectedLeaveOneOut())
    found = {}
    for name, strategy in (("full", ot.LeastSquaresStrategy()), ("sparse", ot.LeastSquaresStrategy(select))):

        def solve(strategy: Any = strategy) -> Any:
            algorithm = ot.FunctionalChaosAlgorithm(inputs, output, law, ot.FixedStrategy(basis, 165), strategy)
            algorithm.run()
            indices = ot.FunctionalChaosSobolIndices(algorithm.getResult())
            return [indices.getSobolTotalIndex(i) for i in range(3)], [indices.getSobolIndex(i) for i in range(3)]

        (total, _), found[name] = timed(solve)
        found[name]["error_of_total_indices"] = error(total)
    return found


def one_by_chaospy() -> dict[str, Any]:
    """One output by chaospy, with its own Sobol indices."""
    import chaospy

    X = CUBE.of_uniform(design("sobol", SAMPLES, CUBE))
    law = chaospy.J(*(chaospy.Uniform(-np.pi, np.pi) for _ in range(3)))

    def solve() -> Any:
        expansion = chaospy.generate_expansion(DEGREE, law)
        model = chaospy.fit_regression(expansion, X.T, ishigami(X))
        return chaospy.Sens_t(model, law), chaospy.Sens_m(model, law)

    (total, _), spent = timed(solve)
    return spent | {"error_of_total_indices": error(total)}


def error(total: Any) -> float:
    """Largest error of the total indices of Ishigami's function."""
    return float(np.abs(np.asarray(total) - [0.55758886, 0.44241114, 0.24368366]).max())


def peak_gib() -> float:
    """Largest memory of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--outputs", type=float, default=1e6, help="in memory")
    parser.add_argument("--disk", type=float, default=1e7, help="on disk: 2.3 kB each while it runs; 0 for none")
    parser.add_argument("--folder", type=Path, help="for the files on disk; a temporary one unless given")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, help="measure only this, here")
    given = parser.parse_args()
    if given.part:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            work: dict[str, Callable[[], dict[str, Any]]] = {
                "memory": lambda: in_memory(int(given.outputs), given.runs, given.device),
                "disk": lambda: on_disk(int(given.disk), Path(folder)),
                "emdose_one": one_by_emdose,
                "openturns": one_by_openturns,
                "chaospy": one_by_chaospy,
            }
            print(json.dumps(work[given.part]()))
        return
    found: dict[str, Any] = {
        "device": backend.get(given.device).describe(),
        "python": platform.python_version(),
        "versions": {n: version(n) for n in ("emdose", "numpy", "scipy", "openturns", "chaospy")},
        "samples": SAMPLES,
    }
    for part in PARTS:
        if (part == "disk" and not given.disk) or (part == "openturns" and not importlib.util.find_spec("openturns")):
            continue
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--part", part], stdout=subprocess.PIPE, text=True, check=True
        )
        found[part] = json.loads(done.stdout)
        print(part, done.stdout.strip(), file=sys.stderr)
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


def version(name: str) -> str | None:
    """Of a package, or None where it is missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
