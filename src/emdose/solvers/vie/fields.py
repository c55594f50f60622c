"""Fields and power balance from the currents that the volume integral found."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import EPS_0, MU_0
from emdose.solvers.results.discretisation import cells_across
from emdose.solvers.results.fields import Fields, PowerBalance, drive_told, phantom_told
from emdose.solvers.yee_grid.green_convolution import Convolution
from emdose.solvers.yee_grid.incident import about_source, incident_B
from emdose.solvers.yee_grid.radiation import radiated_power
from emdose.values import owned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emdose.compute.shared import Shared
    from emdose.solvers.vie.body import BodyOperator
    from emdose.solvers.vie.problem import ViePlan, VieProblem


NEAR_METAL = (
    "metal is a staircase of whole voxels: the mean SAR of the first and of the second 5 mm around a ball of 2 to 6 "
    "voxels radius was off by 4 to 54 %, so that values there need two spacings or finer cells"
)
"""What fields say of the neighbourhood of metal."""
IMPLANTS = "implants"
"""What losses in the metal of implants are called."""


def fields_of(
    problem: VieProblem,
    x: list[Any],
    infos: list[dict[str, Any]],
    plan: ViePlan,
    clock: dict[str, float],
    vectors: int | None = None,
) -> Fields:
    """Total fields on the phantom's grid and the power balance; ``vectors`` are those of a reduced basis, if any."""
    be, exposure, grid = problem.be, problem.exposure, problem.grid
    dtype = problem.dtype
    currents = [problem.expand(v[None])[0] for v in x]
    power = _power(problem, x, currents)
    factors = [i["error_per_residual"] for i in infos]
    about_basis: dict[str, Any] = {}
    if vectors is not None:
        about_basis["start_residual"] = [float(i.get("start_residual", 1.0)) for i in infos]
        about_basis["from_basis"] = [bool(i.get("from_basis")) for i in infos]
        about_basis["basis_vectors"] = vectors
    shared = problem.shared
    E, B = (
        problem.E_incident,
        problem.driven(incident_B(problem.source, grid, exposure.frequency_Hz, be, dtype, shared)),
    )
    if shared is not None:  # others may hold them
        E, B = E.copy(), B.copy()
    add_body(E, B, problem, x, shared)
    residual = np.array([i["residual"] for i in infos])
    E, B = be.to_numpy(E), be.to_numpy(B)
    end = time.perf_counter()
    phantom = exposure.tissue
    return Fields(
        grid=grid,
        frequency_Hz=exposure.frequency_Hz,
        E=owned(E),
        B=owned(B),
        body=np.asarray(phantom.body, bool),
        body_mass_kg=float(phantom.mass_kg),
        power=power,
        ports=problem.ports,
        drives=dict(exposure.coil.drives) if problem.weights is None else {problem.ports[0]: np.ones(1, complex)},
        drive_unit=exposure.coil.drive_unit,
        residual=residual,
        convergence={
            "method": plan.method,
            "tolerance": problem.solver.tolerance,
            "E_error": problem.solver.E_error,
            "dtype": str(dtype),
            "iterations": [i["iterations"] for i in infos],
            "products": [i["products"] for i in infos],
            "history": [i["history"] for i in infos],
            "resumed": [bool(i.get("resumed")) for i in infos],
            **about_basis,
            "E_error_per_residual": factors,
            "E_error_estimate": [float(f * r) for f, r in zip(factors, residual, strict=True)],
            "meaning": "E_error_estimate is the relative L2 error of E that the unfinished iteration leaves; the "
            "voxel staircase adds its own, which only a finer grid shows",
            "cells_per_wavelength": problem.cells_per_wavelength,
            "cells_across_tissue": cells_across(phantom.labels, phantom.spacing_m),
            **about_source(exposure),
            **({} if exposure.implanted is None else {"near_metal": NEAR_METAL}),
            "unknowns": len(problem.index),
            "fft_shape": list(problem.convolution.big),
        },
        metal=exposure.implanted,
        provenance={
            "engine": "Vie",
            "options": asdict(problem.solver),
            "phantom": phantom_told(phantom, exposure.frequency_Hz),
            "implants": [{"name": i.name, "sha256": i.hash()} for i in exposure.implants],
            "coil": {"name": exposure.coil.name, **exposure.coil.parameters},
            "frequency_Hz": exposure.frequency_Hz,
            **({} if problem.weights is None else drive_told(problem.ports[0], problem.weights)),
            "device": be.describe(),
            "timing_s": {
                "setup": clock["setup"] - clock["start"],
                "ports": clock["ports"] - clock["setup"],
                "fields": end - clock["ports"],
            },
        },
    )


def _power(problem: VieProblem, x: list[Any], currents: list[Any]) -> PowerBalance:
    be, h3 = problem.be, problem.h**3
    xp, n = be.xp, len(x)
    work = np.zeros((n, n), complex)
    incident = [problem.incident_on_unknowns([p])[0].astype(complex) for p in range(n)]
    for i in range(n):
        for j in range(n):
            work[i, j] = 0.5 * h3 * complex(xp.vdot(incident[i], x[j].astype(complex)))
    scattered = radiated_power(currents, problem.h, problem.k, be)
    extinction, absorbed = 0.5 * (work + work.conj().T), problem.absorbed([problem.tissue_only(v) for v in x])
    if problem.metal is None or problem.metal.impedance_ohm is None:
        return PowerBalance(absorbed, extinction, scattered)
    lost = problem.absorbed([v - problem.tissue_only(v) for v in x])
    return PowerBalance(absorbed, extinction, scattered, lost, {IMPLANTS: lost})


def add_body(E: Any, B: Any, body: BodyOperator, currents: Sequence[Any], shared: Shared | None = None) -> None:
    """Add the fields of the body's currents (one array a port) to E and B; within tissue E is what drives them."""
    unit = 1j * body.omega * EPS_0
    whole = body.grid.node_shape
    green = Convolution(body.shape, whole, body.low, body.h, body.k, body.be, body.dtype, shared=shared)
    for p, x in enumerate(currents):
        J = body.expand(x[None])
        scattered = green.scattered(J)[0]
        scattered *= body.dtype.type(1 / unit)
        cut_last_edges(scattered)
        E[p] += scattered
        if body.edges is not None:  # those within metal are no unknowns
            E[(p, slice(None), *body.box)][body.be.asarray(body.edges)] = 0
        inside = E[(p, slice(None), *body.box)].reshape(-1)
        inside[body.index] = body.field(x).astype(body.dtype)
        E[(p, slice(None), *body.box)] = inside.reshape(3, *body.shape)
        add_curl(B[p], green.potential(J)[0], MU_0 / body.h)


def cut_last_edges(E: Any) -> None:
    """Zero the entries past the last edge along each component."""
    E[0, -1], E[1, :, -1], E[2, :, :, -1] = 0, 0, 0


def add_curl(B: Any, A: Any, factor: float) -> None:
    """B += factor * curl of A from edges to faces; entries past the last face stay zero."""
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        faces = tuple(slice(None) if axis == c else slice(0, -1) for axis in range(3))

        def ahead(axis: int, faces: tuple[slice, ...] = faces) -> tuple[slice, ...]:
            return tuple(slice(1, None) if i == axis else s for i, s in enumerate(faces))

        B[(c, *faces)] += factor * ((A[b][ahead(a)] - A[b][faces]) - (A[a][ahead(b)] - A[a][faces]))
