"""What a checkpoint of an FDTD must have been made for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from emdose.solvers.yee_grid.incident import GivenField


def identity_of(problem: Any) -> dict[str, str]:
    """Options, body, metal, source, grid, device and runs of a problem, by name."""
    solver = {k: v for k, v in asdict(problem.solver).items() if k not in ("checkpoint_s", "max_periods")}
    coil = problem.exposure.coil
    source = hashlib.sha256()
    if problem.currents is not None:
        source.update(
            problem.currents.edges.tobytes() + problem.currents.weights.tobytes() + problem.materials.ids.tobytes()
        )
    elif problem.coil_on_grid is not None:
        raster = problem.coil_on_grid
        source.update(raster.pec.tobytes())
        source.update(repr([(g.name, g.edges.tolist(), g.sign.tolist()) for g in raster.gaps]).encode())
        source.update(repr([(w.radius_m, w.edges.tolist()) for w in raster.wires]).encode())
        # What fills the gaps is no matter for the runs of a network.
        filling = [] if problem.network else [getattr(coil, "elements", ()), getattr(coil, "feeds", ())]
        source.update(repr(filling).encode())
    elif isinstance(coil, GivenField):
        for e in problem.excitations:
            assert e.incident is not None
            source.update(e.incident.E.tobytes() + e.incident.B.tobytes())
    else:
        source.update(json.dumps(dict(coil.parameters), sort_keys=True, default=str).encode())
    return {
        "options": repr(sorted(solver.items())),
        "phantom": problem.exposure.tissue.hash(),
        "implants": repr([i.hash() for i in problem.exposure.implants]),
        "leads": repr([(lead.name, lead.hash()) for lead in problem.exposure.leads]),
        "coil": source.hexdigest(),
        "frequencies": repr([float(f) for f in problem.frequencies_Hz]),
        "grid": repr([hashlib.sha256(problem.grid.nodes(a).tobytes()).hexdigest()[:16] for a in range(3)]),
        "device": problem.be.name,
        "runs": repr([problem.excitations[n].name for n in problem.to_run]),
    }
