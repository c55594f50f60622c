"""Scenarios of kind ``ptx`` with arrays of metal, capacitors and feeds: coupled channels driven by voltages.

Oracles: the power balance of the fields beside the network, v^H (I - S^H S) v / (8 R); the SAR map of driven fields;
forward power of sources behind 50 ohm.
"""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.scenarios import kinds, loading
from emdose.scenarios.shared.metal_coils.network import network_of

ARRAY = {
    "scenario": {"kind": "ptx", "name": "metal"},
    "phantom": {"type": "sphere", "radius_m": 0.06, "spacing_m": 0.015},
    "coil": {
        "type": "capacitor-loop-array",
        "elements": 3,
        "radius_m": 0.09,
        "length_m": 0.1,
        "strip_width_m": 0.01,
    },
    "exposure": {"frequency_Hz": 128e6},
    "target": {"b1plus_rms_T": 6e-6, "over": "body"},
    "solver": {"type": "vsie", "across": 2, "tolerance": 1e-3},
    "tuning": {"points": 21},
    "limits": {"peak_amplitude_V": 35.0, "forward_power_W": 5.0},
    "shim": {"drives": ["homogeneous", "efficient"]},
    "tradeoff": {"points": 0},
    "checks": {"coil_type": "local"},
}


def changed(**tables):
    found = copy.deepcopy(ARRAY)
    for name, keys in tables.items():
        if keys is None:
            del found[name]
        else:
            found[name] = keys if "type" in keys else {**found.get(name, {}), **keys}
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    found = em.run_scenario(ARRAY, out=tmp_path_factory.mktemp("metal") / "result", device="cpu", progress=False)
    return em.read_result(found.folder)


def test_powers_of_any_drive_are_those_of_the_network(run) -> None:
    parts, about = run.global_matrices(), run.summary["ptx"]
    network = network_of(about["network"])
    S, R = network.at(128e6).s[0], network.reference_ohm[0]
    assert (parts.drive_unit, R) == ("V", 50.0)
    taken = (np.eye(3) - S.conj().T @ S) / (8 * R)
    delivered = parts.powers["delivered"]
    np.testing.assert_allclose(delivered, taken, rtol=0, atol=0.01 * np.abs(taken).max())
    assert em.power_consistency(parts).difference < 1e-3
    for row in about["drives"]:
        v = np.asarray(run.drives[row["name"]])
        assert row["forward_W"] == pytest.approx((np.abs(v) ** 2).sum() / (8 * R), rel=1e-9)
        assert row["absorbed_W"] < float((v.conj() @ delivered @ v).real) <= row["forward_W"]
    assert np.abs(np.diag(S)).max() < 0.5  # matched, as well as coupling allows


def test_drives_keep_limits_in_volts_and_watts(run) -> None:
    about = run.summary["ptx"]
    for row in about["drives"]:
        if row["name"] != "circular":
            assert max(row["amplitudes"]) <= 35 * (1 + 1e-6)
            assert row["forward_W"] <= 5 * (1 + 1e-6)
    assert about["worst"]["stuck_amplitude"] == 35
    assert about["matrices"]["map_misfit"] < 1e-5
    assert run.vops().certify(run.q_matrices()) > 0
    main = np.asarray(run.drives[about["main"]])
    average = em.mass_average(run.sar, run.sar.density, run.phantom.spacing_m, 0.01)
    assert run.q_matrices().sar(main).max() == pytest.approx(em.peak(average.value, run.phantom).value, rel=1e-4)


def test_page_and_checks_know_the_array(run) -> None:
    page = re.sub(r"\s+", " ", run.report().read_text(encoding="utf-8"))
    assert "channels of metal, coupled, sources behind 50" in page
    assert "Largest reflection of a channel" in page
    assert "given currents" not in page
    assert "35.0 V" in page or "35 V" in page
    assert any("mesh of the metal" in text for text in run.summary["warnings"])
    again = kinds.get("ptx").recheck(run, {"duty_cycle": 0.5}, "cpu")
    assert len(again["checks"]) == len(run.summary["checks"])


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"limits": {"peak_amplitude_A": 1.0}}, ("limits.peak_amplitude_A", "peak_amplitude_V")),
        ({"solver": {"type": "vie"}}, ("solver", '"vsie" or "fdtd"')),
        ({"solver": {"second_mesh": 1.3, "across": 3}}, ("solver.second_mesh", "kind rf")),
        ({"coil": {"type": "loop-array"}, "solver": {"type": "vie"}}, ("tuning", "given currents")),
        ({"coil": {"type": "loop-array"}, "tuning": None}, ("solver", '"vie" or "fdtd"')),
        (
            {"coil": {"type": "loop-array"}, "tuning": None, "solver": {"type": "vie"}},
            ("limits.peak_amplitude_V", "peak_amplitude_A"),
        ),
        ({"coil": {"type": "dipole", "length_m": 0.2}}, ("coil.type", "strip-array")),
        (
            {"drives": {"mine": {"amplitudes": [1.0, 1.0, 90.0], "scaled": False}}},
            ("the largest in [limits]", "35"),
        ),
    ],
)
def test_bad_input_is_one_line(tables, words) -> None:
    with pytest.raises(InputError) as error:
        kinds.get("ptx").job(loading.from_tables(changed(**tables), "metal.toml"), "cpu")
    text = str(error.value)
    assert all(word in text for word in words), text
    assert "\n" not in text
