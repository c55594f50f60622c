"""Current elements and fields from files as the source of a scenario."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import emdose as em
from emdose.constants import MU_0
from emdose.errors import EmdoseWarning, InputError
from emdose.scenarios import run
from emdose.solvers.yee_grid.incident import field_at

F = 127.74e6
LOOP = {"radius_m": 0.05, "centre_m": [0.0, 0.0, 0.09]}


def write_field(path, factor=1.0):
    axes = [np.linspace(-0.07, 0.07, 15)] * 3
    p = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    E, B = (np.moveaxis(v[0].reshape(15, 15, 15, 3), -1, 0) for v in field_at(em.Loop(**LOOP), p, F))
    with h5py.File(path, "w") as h5:
        for name, values in {**dict(zip("xyz", axes, strict=True)), "E": E, "H": factor * B / MU_0}.items():
            h5[name] = values
        h5.attrs.update(frequency_Hz=F, amplitude="peak", time_factor="exp(+jwt)")


def test_a_field_from_a_file_gives_what_its_loop_gives(small, write, tmp_path):
    # Oracle: the scenario with the loop itself; splines through points of 10 mm leave some 1e-3.
    write_field(tmp_path / "coil.h5")
    small["normalise"] = {"absorbed_power_W": 1.0}
    found = {}
    for name, coil in (("loop", LOOP), ("incident-field", {"file": "coil.h5"})):
        small["coil"] = {"type": name, **coil}
        result = run(write(small, f"{name}.toml"), tmp_path / name)
        assert result.summary["validity"]["state"] != "not valid"
        found[name] = result.summary["quantities"]
    for key in ("psSAR10g", "point_sar_max", "scattered_power"):
        assert found["incident-field"][key]["value"] == pytest.approx(found["loop"][key]["value"], rel=5e-3)
    measures = {m["name"] for m in result.summary["validity"]["measures"]}
    assert "incident_field" in measures


def test_a_wrong_field_is_refused_before_the_solution_or_accepted_by_name(small, write, tmp_path):
    # Oracle: H of the wrong sign misses the law of induction altogether.
    write_field(tmp_path / "coil.h5", factor=-1.0)
    small["normalise"] = {"absorbed_power_W": 1.0}
    small["coil"] = {"type": "incident-field", "file": "coil.h5"}
    with pytest.raises(InputError, match="misses Maxwell's equations") as error:
        run(write(small), tmp_path / "refused")
    assert error.value.field == "coil"
    small["scenario"]["accept"] = ["incident_field"]
    with pytest.warns(EmdoseWarning, match="accepted by name"):
        result = run(write(small), tmp_path / "accepted")
    assert result.summary["validity"]["state"] == "questionable"


def test_a_current_element_in_a_scenario(small, write, tmp_path):
    # Oracle: the same exposure in Python.
    small["coil"] = {"type": "current-element", "length_m": 0.02, "centre_m": [0, 0, 0.09], "direction": [1, 0, 0]}
    small["normalise"] = {"absorbed_power_W": 1.0}
    result = run(write(small), tmp_path / "out")
    body = em.phantoms.sphere(0.05, 12.5e-3, "head_liquid")
    element = em.CurrentElement(0.02, centre_m=(0, 0, 0.09), direction=(1, 0, 0))
    fields = em.Vie().solve(em.Exposure(body, element, F), device="cpu").drive("unit").scale(absorbed_power_W=1.0)
    expected = float(np.nanmax(em.point_sar(fields, body).value))
    assert result.summary["quantities"]["point_sar_max"]["value"] == pytest.approx(expected, rel=1e-3)
    assert result.summary["provenance"]["coil"]["kind"] == "current element"
