"""Birdcages with closed end rings in a shield: they ring down, and what they end with is what a long run gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from memory_checkpoint import Memory

from emdose.circuits.unloaded import coil_modes
from emdose.compute import backend
from emdose.models import bodies
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.circuit_loops import CapacitorLoop
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd import run as fdtd_run
from emdose.solvers.fdtd.run import NETWORK_WEIGHT, Reporter, run_all
from emdose.solvers.fdtd.run_result import SteppedRun
from emdose.solvers.fdtd.setup.problem import FdtdProblem
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.running import Event
from emdose.validation.cases.volume_integral import gel
from emdose.validation.closed_forms.coils.ladder import ladder_modes

F = 128e6
QUICK = {"margin_m": 0.04, "cpml_cells": 6}


def cage(kind: str, rungs: int = 4, step: float = 12.5e-3, **options) -> Exposure:
    """A shielded cage around a sphere that is not in its middle."""
    size = {"radius_m": 0.1, "length_m": 0.125, "shield_radius_m": 0.1375, "gap_m": 12.5e-3, "feeds": 1} | options
    body = bodies.sphere(0.05, step, gel()).translate((0.0, 0.0125, 0.025))
    return Exposure(body, CircuitBirdcage(rungs, kind=kind, **size), F)


def first_run(exposure: Exposure, **options) -> tuple[FdtdProblem, SteppedRun]:
    problem = FdtdProblem(Fdtd(**QUICK, **options), exposure, backend.get("cpu"), np.linspace(0.8 * F, 1.2 * F, 5))
    problem.excitations = problem.excitations[:1]
    return problem, run_all(problem, Reporter(None, problem, problem.plan()), None, {})[0]


def differences(run: SteppedRun, long: SteppedRun) -> dict[str, float]:
    """Relative differences of fields, and of voltages and currents together."""

    def relative(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a - b) / np.linalg.norm(b))

    both = [np.concatenate([r.voltages, 50 * r.currents]) for r in (run, long)]
    return {
        "E": relative(run.E["core"], long.E["core"]),
        "B": relative(run.B["core"], long.B["core"]),
        "ports": relative(both[0], both[1]),
    }


@pytest.mark.parametrize("kind", [pytest.param("low-pass", marks=pytest.mark.slow), "band-pass"])
def test_shielded_cages_ring_down(kind, monkeypatch):
    # Oracle: a run of many times the length whose sums are taken as they are.
    problem, run = first_run(cage(kind), tolerance=1e-3)
    assert run.converged
    assert run.steps * problem.time_step_s * F < 5
    monkeypatch.setattr(fdtd_run, "EXTRAPOLATION", 0)
    long = first_run(cage(kind), tolerance=1e-6, max_periods=30)[1]
    assert long.steps > 1.5 * run.steps
    found = differences(run, long)
    assert found["E"] < 1e-3
    assert found["B"] < 1e-3
    assert found["ports"] < 1e-3 / NETWORK_WEIGHT


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "frequency"), [("low-pass", 64e6), ("low-pass", 128e6), ("band-pass", 128e6)])
def test_networks_and_fields_of_cages_converge(kind, frequency):
    # Oracle: the same at a tolerance ten times smaller; reciprocity.
    exposure = Exposure(
        cage(kind, 8, 10e-3).phantom,
        cage(kind, 8, 10e-3, radius_m=0.12, length_m=0.16, shield_radius_m=0.15, feeds=2).coil,
        frequency,
    )
    rough, fine = (Fdtd(**QUICK, tolerance=t).cosimulate(exposure, device="cpu") for t in (1e-3, 1e-4))
    periods = (
        1e-3 * max(r.steps for r in rough.gap_fields.runs) * rough.gap_fields.problem.time_step_s * frequency * 1e3
    )
    assert periods < 8
    assert np.abs(rough.network.s - fine.network.s).max() < 1e-3 / NETWORK_WEIGHT
    assert max(rough.asymmetry, fine.asymmetry) < 1e-4
    for a, b in zip(rough.gap_fields.runs, fine.gap_fields.runs, strict=True):
        found = differences(a, b)
        assert max(found["E"], found["B"]) < 1e-3


@pytest.mark.slow
def test_spectrum_of_a_shielded_low_pass_cage():
    # Oracle: the ladder formula with the inductances of the rungs that the runs show at one frequency, which hold those
    # of the rings; wires with partial inductances in an infinite shield, to what that leaves out.
    rungs, capacitance, step = 8, 20e-12, 10e-3
    exposure = cage("low-pass", rungs, step, radius_m=0.1, length_m=0.12, capacitance_F=capacitance, gap_m=step)
    air = bodies.sphere(0.03, step, gel(1.001, 0.0, "nearly air"))
    found = Fdtd(**QUICK).cosimulate(Exposure(air, exposure.coil, F), np.linspace(60e6, 150e6, 19), device="cpu")
    names = ["feed 1", *(f"rung {n}" for n in range(2, rungs + 1))]
    at = found.network.at(60e6)
    index = [at.index(n) for n in names]
    L = at.z[0][np.ix_(index, index)].imag / (2 * math.pi * 60e6)
    row = np.array([np.mean([L[i, (i + k) % rungs] for i in range(rungs)]) for k in range(rungs)])
    expected = ladder_modes(rungs, row, 0.0, rung_capacitance_F=capacitance)[1:]
    modes = np.array([m.frequency_Hz for m in found.modes(low_Hz=40e6, high_Hz=400e6)])
    quasi = np.array([m.frequency_Hz for m in coil_modes(exposure.coil)])
    assert np.all(np.diff(expected) > 0)
    for m, f in enumerate(expected, 1):
        assert np.abs(modes / f - 1).min() < 0.03
        assert np.sum(np.abs(modes / f - 1) < 0.05) >= (2 if m < rungs // 2 else 1)
    assert abs(modes.min() / quasi.min() - 1) < 0.1


def test_a_resumed_network_gives_the_same_bits():
    # Oracle: the run that was not interrupted; the second is stopped where sums of several windows are kept already.
    coil = CapacitorLoop(size_m=(0.08, 0.08), capacitors=2, centre_m=(0, 0, 0.06), gap_m=0.01)
    exposure = Exposure(bodies.sphere(0.04, 0.01, gel()), coil, F)
    solver = Fdtd(**QUICK, checkpoint_s=1e-9)
    whole, kept = solver.cosimulate(exposure, [F], device="cpu"), Memory()

    def stop(event: Event) -> None:
        if event.stage == "port" and event.index == 1 and event.step > 0.85 * whole.gap_fields.runs[0].steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solver.cosimulate(exposure, [F], device="cpu", progress=stop, checkpoint=kept)
    assert sum(k.startswith("sums.") for k in kept.kept["port-state"]) > 1
    again = solver.cosimulate(exposure, [F], device="cpu", checkpoint=kept)
    assert again.gap_fields.runs[1].resumed
    assert np.array_equal(again.network.s, whole.network.s)
    for a, b in zip(again.gap_fields.runs, whole.gap_fields.runs, strict=True):
        assert np.array_equal(a.E["core"], b.E["core"])
