"""A square cage and loops by boundary elements and partial elements beside an FDTD that was refined three times."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.circuits.network import Network
from emdose.compute import backend
from emdose.models.coils.conductors import Plate
from emdose.solvers.mom.metal import ThinMetal

ROOT = Path(__file__).parents[2]
MEASURED = json.loads((ROOT / "tests" / "data" / "fdtd_cages.json").read_text())


@pytest.fixture
def cage(monkeypatch):
    """The module of the coils."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import square_cage

    return square_cage


@pytest.mark.parametrize("case", ["square open empty", pytest.param("square empty", marks=pytest.mark.slow)])
def test_cage_of_triangles_is_that_of_refined_cells(cage, case):
    # Oracle: FDTD over 5, 2.5 and 1.25 mm cells, extrapolated, ports as wide as the strips.
    names = [e.name for e in cage.square_cage().elements]
    mesh = cage.square_cage_mesh(names, 4, shielded="open" not in case)
    metal = ThinMetal(mesh, 127.74e6, None, None, backend.get("cpu"))
    mode = cage.mode_numbers(Network.from_y([127.74e6], metal.admittance()[None], names), "square")[0]
    assert mode["reactance_ohm"] == pytest.approx(MEASURED[case]["reactance_ohm"], rel=0.02)
    assert mode["resistance_ohm"] == pytest.approx(MEASURED[case]["resistance_ohm"], rel=0.05)


@pytest.mark.parametrize("case", ["strip loop", "wire loop", "square open empty"])
def test_tuning_is_that_of_refined_cells(cage, case):
    # Oracle: FDTD as before; the wire's near field is in its cells at any size, so that it needs no extrapolation.
    coil = cage.loop(case == "strip loop") if "loop" in case else cage.square_cage(shielded=False)
    tuned = set(em.tune(coil, 127.74e6).capacitances_F.values())
    assert len(tuned) == 1
    reactance = 1 / (2 * math.pi * 127.74e6 * tuned.pop())
    assert reactance == pytest.approx(MEASURED[case]["reactance_ohm"], rel=0.03)


def test_reference_cage_has_its_planes_in_the_grid(cage):
    # Oracle: geometry: every corner of metal and gap is a multiple of 5 mm, and four quarter turns give the same.
    coil = cage.square_cage()
    corners = [p[:, None] + a for c in coil.conductors for _, p, a in c.sheets]
    corners = np.concatenate([c.reshape(-1, 3) for c in corners] + [[g.start_m, g.end_m] for g in coil.gaps])
    assert np.allclose(corners / 5e-3, np.round(corners / 5e-3), atol=1e-9)
    turned = np.stack([-corners[:, 1], corners[:, 0], corners[:, 2]], axis=1)
    assert {tuple(np.round(1e3 * p).astype(int)) for p in turned} == {
        tuple(np.round(1e3 * p).astype(int)) for p in corners
    }
    assert sum(isinstance(c, Plate) for c in coil.conductors) == 4


@pytest.mark.slow
def test_loaded_cage_by_boundary_elements_is_that_of_refined_cells(cage, monkeypatch):
    # Oracle: FDTD as before with a body of the same voxels, here halved. Found after the FDTD, nothing was fitted.
    import fdtd_cages

    from emdose.solvers.vsie import plan, solver

    exposure = fdtd_cages.exposure("square loaded", 1)
    labels = exposure.phantom.labels
    for axis in range(3):
        labels = np.repeat(labels, 2, axis)
    halved = em.Phantom(em.Grid(labels.shape, 0.5 * cage.VOXEL_M), labels, exposure.phantom.tissues)
    exposure = em.Exposure(halved, exposure.coil, 127.74e6)
    elements = {g.name: g.element.name for g in exposure.coil.gaps}

    def mesh(coil, *_):
        made = cage.square_cage_mesh([elements[g.name] for g in coil.gaps], 4)
        gaps = tuple(dataclasses.replace(cut, name=g.name) for cut, g in zip(made.gaps, coil.gaps, strict=True))
        return dataclasses.replace(made, gaps=gaps)

    for module in (solver, plan):
        monkeypatch.setattr(module, "mesh_of", mesh)
    found = em.Vsie(conductivity_S_m=None).cosimulate(exposure, [127.74e6], "cpu", False)
    network = Network.from_z([127.74e6], found.network.z, [elements[n] for n in found.network.names])
    mode = cage.mode_numbers(network, "square")[0]
    driven = fdtd_cages.driven(found, exposure)
    want = MEASURED["square loaded"]
    assert mode["capacitance_pF"] == pytest.approx(want["capacitance_pF"], rel=0.02)
    assert mode["resistance_ohm"] == pytest.approx(want["resistance_ohm"], rel=0.05)
    for key, rel in (("B1plus_centre_uT_per_sqrt_W", 0.02), ("psSAR10g_per_kg", 0.03), ("absorbed_share", 0.01)):
        assert driven[key] == pytest.approx(want[key], rel=rel)


@pytest.mark.slow
def test_coarse_cells_are_still_those_of_the_record(cage):
    # Oracle: stored numbers: what the limits were taken from is what this FDTD still finds.
    import fdtd_cages

    record = json.loads((ROOT / "benchmarks" / "results" / "2026-11-30-fdtd_cages.json").read_text())
    stored = next(r for r in record["rows"] if r["case"] == "square loaded" and r["cell_mm"] == 5.0 and r["lines"] == 1)
    again = fdtd_cages.measure("square loaded", 5.0, 1, {})
    for part in ("mode", "driven"):
        for key in ("capacitance_pF", "resistance_ohm", "B1plus_centre_uT_per_sqrt_W", "psSAR10g_per_kg"):
            if key in stored[part]:
                assert again[part][key] == pytest.approx(stored[part][key], rel=1e-3)
