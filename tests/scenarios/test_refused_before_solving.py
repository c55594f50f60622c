"""Whatever a run can refuse it refuses before it solves: the long part never ends in an error of input."""

from __future__ import annotations

import copy

import pytest

from emdose import scenarios
from emdose.compute.backend import Backend
from emdose.errors import InputError, ResourceError
from emdose.scenarios import kinds
from emdose.scenarios.shared import toml
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.vie.solver import Vie

RF = {
    "scenario": {"kind": "rf", "name": "ball"},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 12.5e-3, "tissue": "muscle"},
    "coil": {"type": "birdcage", "rungs": 8},
    "exposure": {"frequency_Hz": 127.74e6},
    "normalise": {"absorbed_power_W": 1.0},
}
FDTD = {
    "solver": {"type": "fdtd", "margin_m": 0.05},
    "coil": {"type": "circuit-birdcage", "rungs": 8, "radius_m": 0.1, "length_m": 0.1, "gap_m": 12.5e-3},
}
METAL = {
    "scenario": {"kind": "implant-gradient", "name": "ball"},
    "implant": {"type": "sphere", "radius_m": 10e-3, "metal": "Ti6Al4V"},
    "solver": {"spacing_m": 2.5e-3, "frequencies_Hz": [270.0, 1000.0]},
    "exposures": {"x": {"type": "sinusoid", "frequency_Hz": 1000.0, "dbdt_rms_T_s": 20.0}},
    "thermal": {"spacing_m": 4e-3, "margin_m": 0.02, "duration_s": 60.0},
}
EPT = {
    "scenario": {"kind": "ept", "name": "ball"},
    "data": {"type": "simulated", "snr": 100.0},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 10e-3},
    "coil": {"type": "birdcage", "rungs": 8},
    "exposure": {"frequency_Hz": 127.74e6},
    "methods": {"one": {"type": "helmholtz", "radius": 2}},
}

REFUSED = {
    "rf: patient of 10 g": (RF, {"checks": {"patient_mass_kg": 0.01}}, "patient lighter than the phantom"),
    "rf: no such head": (RF, {"checks": {"head": "head (small)"}}, "unknown head region"),
    "rf: no head to scale in": (RF, {"normalise": {"b1plus_rms_T": 1e-6, "over": "head"}}, "names no head"),
    "rf: no such head to scale in": (
        RF,
        {"normalise": {"b1plus_rms_T": 1e-6, "over": "head"}, "checks": {"head": "x"}},
        "unknown head region",
    ),
    "rf: no such standard": (RF, {"checks": {"standard": "IEC 60601-2-34"}}, "standard"),
    "rf: no such edition": (RF, {"checks": {"edition": "1999"}}, "edition"),
    "rf: exposed in air": (RF, {"checks": {"exposed_z_m": [1.0, 1.1]}}, "no tissue between these heights"),
    "rf: no such limbs": (RF, {"checks": {"extremities": ["arms"]}}, "unknown region"),
    "rf: no such limit": (RF, {"checks": {"use_values": ["no such row"]}}, "no confirmed value of this name"),
    "rf: average of more than the body": (RF, {"dosimetry": {"masses_kg": [5.0]}}, "lighter than an averaging mass"),
    "rf: average of nearly all of the body": (RF, {"dosimetry": {"masses_kg": [0.52]}}, "averaging mass is too large"),
    "rf: scaled outside of the grid": (
        RF,
        {"normalise": {"b1plus_rms_T": 1e-6, "over": [1.0, 0.0, 0.0]}},
        "normalise.over",
    ),
    "rf: scaled in air": (RF, {"normalise": {"b1plus_rms_T": 1e-6, "over": [0.049, 0.049, 0.049]}}, "air"),
    "rf: scaled in a slice of air": (
        RF,
        {
            "phantom": {**RF["phantom"], "translate_m": [0.0, 0.0, 0.3]},
            "normalise": {"b1plus_rms_T": 1e-6, "over": "slice"},
        },
        "normalise.over",
    ),
    "rf: no such drive": (RF, {"drive": {"name": "circular"}}, "unknown drive"),
    "rf: amplitudes for other ports": (RF, {"drive": {"amplitudes": [1.0] * 3}}, "amplitudes do not fit the ports"),
    "rf: no thermal data": (
        RF,
        {"phantom": {**RF["phantom"], "tissue": "head_liquid"}, "thermal": {}},
        "no thermal data",
    ),
    "rf: no steady state": (
        RF,
        {
            "phantom": {**RF["phantom"], "tissues": {"muscle": {"perfusion_mL_min_kg": 0.0}}},
            "thermal": {"initial": "steady", "surface_W_m2_K": 0.0},
        },
        "no steady state",
    ),
    "rf: heat times beyond the end": (RF, {"thermal": {"duration_s": 60.0, "times_s": [30.0, 90.0]}}, "times_s within"),
    "rf: voxels that are no cubes": (
        RF,
        {"phantom": {**RF["phantom"], "resample_spacing_m": [10e-3, 10e-3, 12e-3]}},
        "cubic voxels",
    ),
    "rf: wrong tissue": (RF, {"phantom": {**RF["phantom"], "tissues": {"bone": {"density_kg_m3": 1e3}}}}, "tissue"),
    "fdtd: patient of 10 g": (RF, {**FDTD, "checks": {"patient_mass_kg": 0.01}}, "patient lighter than the phantom"),
    "fdtd: amplitudes for other ports": (RF, {**FDTD, "drive": {"amplitudes": [1.0] * 5}}, "amplitudes do not fit"),
    "implant: no harmonic": (METAL, {"solver": {"frequencies_Hz": [100.0, 900.0]}}, r"exposures\.x.*no harmonic"),
    "implant: a pulse too short": (
        METAL,
        {"exposures": {"p": {"type": "trapezoids", "field_T": 1e-3, "rise_s": 1e-6}}},
        r"exposures\.p.*no harmonic",
    ),
    "implant: no thermal data": (
        METAL,
        {"phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 5e-3, "tissue": "head_liquid"}},
        "no thermal data",
    ),
    "implant: in air": (
        METAL,
        {
            "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 5e-3, "tissue": "muscle"},
            "implant": {**METAL["implant"], "position_m": [0.0, 0.0, 0.045]},
        },
        "implant outside the phantom",
    ),
    "implant: no such metal": (METAL, {"implant": {**METAL["implant"], "metal": "CoCrMu"}}, "metal"),
    "implant: no such preset": (METAL, {"exposures": {"x": {"type": "preset", "preset": "iso"}}}, "preset"),
    "ept: no such drive": (EPT, {"data": {"type": "simulated", "transmit": "circular"}}, "unknown drive"),
    "ept: too few channels": (EPT, {"methods": {"g": {"type": "gradient"}}}, "several transmit channels"),
    "ept: weights without uncertainty": (
        EPT,
        {"methods": {"c": {"type": "convection-reaction", "filter": {"type": "weighted-mean"}}}},
        "weights need an uncertainty",
    ),
    "ept: window of no polynomial": (
        EPT,
        {"methods": {"h": {"type": "helmholtz", "radius": 1, "degree": 4}}},
        "degree",
    ),
    "ept: kernel larger than the image": (EPT, {"methods": {"h": {"type": "helmholtz", "radius": 20}}}, "larger than"),
}


@pytest.fixture(autouse=True)
def unsolvable(monkeypatch):
    for solver in (Vie, Fdtd, EddyCurrent):
        monkeypatch.setattr(solver, "solve", lambda *_, **__: pytest.fail("solved before it was refused"))
    monkeypatch.setattr(Fdtd, "cosimulate", lambda *_, **__: pytest.fail("solved before it was refused"))


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_is_solved(case, tmp_path):
    # Oracle: a solver that must not be called, and no trace on the disk; the line names the file.
    base, change, words = REFUSED[case]
    content = {**copy.deepcopy(base), **change}
    file = tmp_path / "case.toml"
    file.write_text(toml.dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=words) as error:
        scenarios.run(file, tmp_path / "out", device="cpu")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


SINES = {f"sine {n}": METAL["exposures"]["x"] for n in range(6)}


@pytest.mark.parametrize("thermal", [{"spacing_m": 2e-3}, {"spacing_m": 6e-3, "cells_across": 10.0}], ids=str)
def test_heat_that_does_not_fit_the_memory_is_refused_before_the_eddy_currents(thermal, tmp_path, monkeypatch):
    # Oracle: memory in which the eddy currents fit by their own plan, and the heat of all exposures does not.
    content = {**METAL, "thermal": {**METAL["thermal"], **thermal}, "exposures": SINES}
    file = tmp_path / "case.toml"
    file.write_text(toml.dump(content), encoding="utf-8")
    plan = kinds.get("implant-gradient").job(scenarios.load(file), "cpu").plan()
    assert plan.bytes == plan.evaluation.bytes > plan.solution.bytes / 0.8
    assert "then heat in" in str(plan)
    monkeypatch.setattr(Backend, "memory_free_bytes", lambda self: plan.bytes - 1)
    told = []
    with pytest.raises(ResourceError, match=r"^heat in .* sources.* are free on cpu: .* would fit") as error:
        scenarios.run(file, tmp_path / "out", device="cpu", progress=told.append)
    assert "\n" not in str(error.value)
    assert not {"setup", "heat", "plan"} & {event.stage for event in told}
    assert not (tmp_path / "out").exists()
