r"""Fields of a subdomain: what the body has without the metal, and what the metal scatters.

Power: absorbed in the fine cells but the outermost ones, and what flows into their box, from the total field,

.. math:: P_\mathrm{in} = -\tfrac12 \mathrm{Re} \oint \mathbf E \times \mathbf H^* \cdot d\mathbf A .

Their difference is what interpolation costs. The balance of the scattered field alone (work of the metal, power
absorbed, power out of the box) says how well its equations are met.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from emdose.constants import MU_0
from emdose.solvers.fdtd.power import power_of_box
from emdose.solvers.results.discretisation import cells_across
from emdose.solvers.results.fields import Fields, PowerBalance, phantom_told
from emdose.solvers.subdomain.interpolation import magnetic
from emdose.solvers.yee_grid.resolution import cells_per_wavelength
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.solvers.fdtd.run_result import SteppedRun
    from emdose.solvers.fdtd.setup.plan import FdtdPlan
    from emdose.solvers.subdomain.problem import SubdomainProblem

MEANING = (
    "residual is what was still to come of the field scattered by the metal when the run ended; values beside metal "
    "depend on the cells: see Subdomain.on_spacings"
)


def fields_of(
    problem: SubdomainProblem, runs: Sequence[SteppedRun], plan: FdtdPlan, clock: Mapping[str, float]
) -> Fields:
    """Fields on the fine cells.

    Parameters
    ----------
    problem : SubdomainProblem
        What was solved.
    runs : sequence of SteppedRun
        One per port.
    plan : FdtdPlan
        What was planned.
    clock : mapping of str to float
        Times at "start", "setup" and "ports" [s].
    """
    given, body, fine = problem.given, problem.layout.body, problem.layout.fine
    scattered = [np.stack([getattr(r, x)["core"] for r in runs]) for x in "EB"]
    open_ = problem.cut.edges
    root = np.sqrt(open_)
    # The engine's E is the voltage over the whole edge, E times its open share; with its root the power is right.
    E = np.where(root > 0, root * problem.incident + scattered[0] / np.where(root > 0, root, 1.0), 0)
    _clear_last(E, True)
    B = np.where(problem.cut.faces > 0, magnetic(given.B, given.grid, fine) + scattered[1], 0)
    _clear_last(B, False)
    absorbed, out = _flows(problem, E * root, B)
    kind = problem.complex_dtype
    f = problem.frequency_Hz
    present = [body.tissues[i] for i in np.unique(body.labels) if i]
    wave = cells_per_wavelength(np.array([t.complex_permittivity(f) for t in present]), f, float(max(fine.spacing_m)))
    return Fields(
        grid=fine,
        frequency_Hz=f,
        E=owned(E.astype(kind, copy=False)),
        B=owned(B.astype(kind, copy=False)),
        body=np.asarray(body.body, bool),
        body_mass_kg=float(body.mass_kg),
        power=PowerBalance(absorbed, -out, np.zeros_like(out)),
        ports=given.ports,
        drives=dict(given.drives),
        drive_unit=given.drive_unit,
        metal=problem.layout.implanted,
        residual=np.array([r.history[-1] if r.history else 1.0 for r in runs]),
        convergence={
            "method": "subdomain",
            "tolerance": problem.solver.tolerance,
            "steps": [r.steps for r in runs],
            "iterations": [r.steps for r in runs],
            "history": [list(r.history) for r in runs],
            "energy_dB": [r.energy_dB for r in runs],
            "resumed": [r.resumed for r in runs],
            "meaning": MEANING,
            "cells_per_wavelength": wave,
            "cells_across_tissue": cells_across(body.labels, fine.spacing_m),
            "scattered_closure": _closure(problem, *scattered),
            "cells": plan.cells,
            "shape": list(problem.grid.shape),
            "time_step_s": problem.time_step_s,
        },
        provenance={
            **{k: v for k, v in given.provenance.items() if k in ("drive", "scale", "coil")},
            "engine": "Subdomain",
            "body_engine": given.provenance.get("engine"),
            "options": asdict(problem.options),
            "phantom": phantom_told(body, f),
            "implants": [{"name": i.name, "sha256": i.hash()} for i in problem.exposure.implants],
            "frequency_Hz": f,
            "grid": {
                "shape": list(problem.grid.shape),
                "bounds_m": problem.grid.bounds_m,
                "body_spacing_m": given.grid.spacing_m,
                "time_step_s": problem.time_step_s,
            },
            "device": problem.be.describe(),
            "timing_s": {
                "setup": clock["setup"] - clock["start"],
                "ports": clock["ports"] - clock["setup"],
                "fields": time.perf_counter() - clock["ports"],
            },
        },
    )


def _flows(problem: SubdomainProblem, E: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power absorbed in the fine cells but the outermost ones, and power out of their box, by pairs of ports [W]."""
    return power_of_box(E, B, problem.conductivity, problem.layout.fine)


def _closure(problem: SubdomainProblem, E: np.ndarray, B: np.ndarray) -> float:
    """What is missing in the power balance of the scattered field, as a share of what the metal gives it."""
    absorbed, out = _flows(problem, E, B)
    given = _given(problem, B)
    scale = float(np.linalg.norm(given))
    return float(np.linalg.norm(given - absorbed - out)) / scale if scale > 0 else 0.0


def _given(problem: SubdomainProblem, B: np.ndarray) -> np.ndarray:
    """Power that the voltages along the metal give the scattered field, by pairs of ports [W]."""
    h = problem.options.spacing_m
    volts = np.stack([problem.around(E) for E in problem.incident]).reshape(len(B), -1).astype(complex)
    there = np.flatnonzero(np.any(volts, axis=0))
    work = -0.5 * h / MU_0 * (volts[:, there].conj() @ B.reshape(len(B), -1)[:, there].T)
    return 0.5 * (work + work.conj().T)


def _clear_last(values: np.ndarray, electric: bool) -> None:
    """Zero what lies past the last edge or face."""
    for c in range(3):
        for a in range(3):
            if (a == c) == electric:
                np.moveaxis(values[:, c], a + 1, 0)[-1] = 0
