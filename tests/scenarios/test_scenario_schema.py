"""Every way to get a scenario wrong has its line: file, key, what was found, what was expected."""

from __future__ import annotations

from functools import partial

import pytest
from pydantic import ValidationError

import emdose as em
from emdose import scenarios
from emdose.errors import InputError
from emdose.scenarios.kinds.implant_gradient.schema import EddyCurrentTable
from emdose.scenarios.kinds.rf.schema import FdtdTable, VieTable, VsieTable
from emdose.scenarios.shared import toml

NAN, INF = float("nan"), float("inf")


def put(tables, path, value):
    *above, last = path.split(".")
    for key in above:
        tables = tables.setdefault(key, {})
    tables[last] = value


@pytest.mark.parametrize(
    ("path", "value", "field", "expected"),
    [
        # frequency
        ("exposure.frequency_Hz", 0, "exposure.frequency_Hz", "from 1000 to 1e+11"),
        ("exposure.frequency_Hz", 1e15, "exposure.frequency_Hz", "from 1000 to 1e+11"),
        ("exposure.frequency_Hz", -64e6, "exposure.frequency_Hz", "from 1000 to 1e+11"),
        ("exposure.frequency_Hz", NAN, "exposure.frequency_Hz", "from 1000 to 1e+11"),
        ("exposure.frequency_Hz", INF, "exposure.frequency_Hz", "from 1000 to 1e+11"),
        ("exposure.frequency_Hz", "64 MHz", "exposure.frequency_Hz", "a frequency in Hz"),
        ("exposure.frequency_Hz", True, "exposure.frequency_Hz", "a frequency in Hz"),
        ("exposure.frequency_Hz", [64e6], "exposure.frequency_Hz", "a frequency in Hz"),
        # unknown keys and units
        ("exposure.frequency_MHz", 64, "exposure.frequency_MHz", "frequency_Hz = 6.4e+07"),
        ("exposure.frequency", 64e6, "exposure.frequency", "'frequency_Hz': the unit belongs into the key"),
        ("coil.radius_mm", 150, "coil.radius_mm", "radius_m = 0.15"),
        ("coil.radius_cm", 15, "coil.radius_cm", "radius_m = 0.15"),
        ("coil.rugs", 16, "coil.rugs", "did you mean 'rungs'?"),
        ("normalise.b1plus_rms_uT", 2, "normalise.b1plus_rms_uT", "b1plus_rms_T = 2e-06"),
        ("phantm", {}, "phantm", "did you mean 'phantom'?"),
        ("phantom.colour", "red", "phantom.colour", "one of "),
        ("checks.duty_cycle_percent", 10, "checks.duty_cycle_percent", "'duty_cycle"),
        ("phantom.tissues", {"muscle": {"density": 1000}}, "phantom.tissues.muscle.density", "density_kg_m3"),
        # unknown choices
        ("phantom.type", "spher", "phantom.type", "did you mean 'sphere'?"),
        ("coil.type", 7, "coil.type", "one of birdcage"),
        ("solver.type", "fdtx", "solver.type", "fdtd"),
        ("solver", "fem", "solver.type", "vie"),
        ("solver.max_periods", 9, "solver.max_periods", "one of type, tolerance"),
        ("solver", {"type": "fdtd", "courant": 2}, "solver.courant", "limit of stability"),
        ("solver", {"type": "vsie"}, "solver", '"vie" or "fdtd" for a source of type'),
        ("coil", {"type": "capacitor-loop"}, "coil", "either radius_m or size_m"),
        ("coil", {"type": "circuit-birdcage", "capacitance_pF": 20}, "coil.capacitance_pF", "capacitance_F = 2e-11"),
        ("tuning", {}, "tuning", "no such table for a coil of given currents"),
        ("solver.dtype", "complex32", "solver.dtype", "complex64"),
        ("dosimetry.rule", "trapez", "dosimetry.rule", "did you mean 'trapezium'?"),
        ("scenario.kind", "fr", "scenario.kind", "rf"),
        ("scenario.kind", 3, "scenario.kind", "rf"),
        ("normalise.over", "hed", "normalise.over", "'head'"),
        # bad values
        ("phantom.spacing_m", 0, "phantom.spacing_m", "a voxel size in metres"),
        ("phantom.spacing_m", [1e-3, 1e-3, 2e-3], "phantom.spacing_m", "a voxel size in metres"),
        ("phantom.radius_m", -0.1, "phantom.radius_m", "a length in metres > 0"),
        ("phantom.radius_m", 10**400, "phantom.radius_m", "a length in metres > 0"),
        (
            "phantom.tissues",
            {"head_liquid": {"conductivity_S_m": -1}},
            "phantom.tissues.head_liquid.conductivity_S_m",
            "a conductivity in S/m",
        ),
        ("phantom.tissues", {"head_liquid": {"density_kg_m3": 0}}, "phantom.tissues.head_liquid.density_kg_m3", "> 0"),
        (
            "phantom.tissues",
            {"head_liquid": {"relative_permittivity": NAN}},
            "phantom.tissues.head_liquid.relative_permittivity",
            "a relative permittivity",
        ),
        ("phantom.tissues", {"head_liquid": 3}, "phantom.tissues.head_liquid", "a table"),
        ("phantom.tissues", 3, "phantom.tissues", "dictionary"),
        ("phantom.translate_m", [0, 1], "phantom.translate_m", "3 numbers"),
        ("phantom.translate_m", "up", "phantom.translate_m", "3 numbers"),
        ("coil.rungs", 16.5, "coil.rungs", "an integer from 4 to 512"),
        ("coil.rungs", 2, "coil.rungs", "an integer from 4 to 512"),
        ("coil", [], "coil", "a table"),
        ("phantom", "sphere", "phantom", "a table"),
        ("scenario", [], "scenario", "[scenario]"),
        ("scenario.name", "", "scenario.name", "a short name"),
        ("scenario.name", "two\nlines", "scenario.name", "a short name"),
        ("normalise", {}, "normalise", "exactly one of"),
        ("normalise.input_power_W", 1, "normalise", "there are 2"),
        ("normalise.b1plus_rms_T", 0, "normalise.b1plus_rms_T", "> 0"),
        ("drive", {"name": "quadrature", "amplitudes": [1, 1]}, "drive", "either name"),
        ("drive", {"amplitudes": [1, 1], "phases_deg": [0]}, "drive", "as many amplitudes"),
        ("drive", {"amplitudes": [0, 0]}, "drive", "at least one amplitude"),
        ("checks.duty_cycle", 1.5, "checks.duty_cycle", "a fraction of the time"),
        ("checks", {"duty_cycle": 0.5, "duty_cycle_10s": 0.2}, "checks", "duty_cycle_10s >= duty_cycle"),
        ("checks.exposed_z_m", [0.1, -0.1], "checks", "exposed_z_m = [lowest, highest]"),
        ("checks.extremities_z_m", [0.1, 0.1], "checks", "extremities_z_m = [lowest, highest]"),
        ("checks.extremities", "legs", "checks.extremities", "regions of the phantom that are arms or legs"),
        ("checks", {"extremities": ["legs"], "extremities_z_m": [-1, 0]}, "checks", "either extremities or"),
        ("dosimetry.masses_kg", [], "dosimetry.masses_kg", "1 to 256 numbers"),
        ("output.fields", "yes", "output.fields", "true or false"),
        ("solver.tolerance", 0, "solver.tolerance", "a relative residual"),
    ],
)
def test_wrong_key_or_value(small, path, value, field, expected):
    # Oracle: the path of the key that this test spoilt.
    put(small, path, value)
    with pytest.raises(InputError) as error:
        scenarios.loading.from_tables(small, "x.toml")
    assert error.value.field == field
    assert str(error.value).startswith(f"x.toml: {field}: ")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "path",
    [
        "scenario",
        "scenario.kind",
        "phantom",
        "phantom.type",
        "phantom.radius_m",
        "coil",
        "coil.type",
        "exposure",
        "exposure.frequency_Hz",
        "normalise",
    ],
)
def test_missing_key(small, path):
    # Oracle: the path of the key that this test took away.
    *above, last = path.split(".")
    table = small
    for key in above:
        table = table[key]
    del table[last]
    with pytest.raises(InputError) as error:
        scenarios.loading.from_tables(small, "x.toml")
    assert error.value.field == path
    assert "missing" in str(error.value)


def test_a_typo_is_told_before_the_key_it_leaves_missing(small):
    # Oracle: the user's mistake is the typo; "radius_m is missing" would be its consequence.
    small["phantom"]["radius"] = small["phantom"].pop("radius_m")
    with pytest.raises(InputError, match=r"phantom\.radius: unknown key"):
        scenarios.loading.from_tables(small, "x.toml")


def test_how_many_more(small):
    # Oracle: two values were spoilt.
    small["phantom"]["radius_m"], small["coil"]["rungs"] = 0, 0
    with pytest.raises(InputError, match="1 more"):
        scenarios.loading.from_tables(small, "x.toml")


def test_named_files(small, write, tmp_path):
    # Oracle: the files that this test makes and changes.
    small["phantom"] = {"type": "file", "file": "no.nii.gz"}
    with pytest.raises(InputError) as error:
        scenarios.load(write(small))
    assert error.value.field == "phantom.file"
    assert "no such file" in str(error.value)
    (tmp_path / "no.nii.gz").write_bytes(b"one")
    first = scenarios.load(write(small))
    assert first.tables.phantom.file == str(tmp_path / "no.nii.gz")
    (tmp_path / "no.csv").write_text("label,tissue\n1,muscle\n")
    second = scenarios.load(write(small))
    (tmp_path / "no.nii.gz").write_bytes(b"two")
    third = scenarios.load(write(small))
    assert len({first.sha256, second.sha256, third.sha256}) == 3


def test_lock_is_the_same_scenario(small, write, tmp_path):
    # Oracle: a lock file spells out the defaults and changes nothing, so it has the same hash.
    scenario = scenarios.load(write(small))
    lock = tmp_path / "scenario.lock.toml"
    lock.write_text(scenario.lock(), encoding="utf-8")
    again = scenarios.load(lock)
    assert again.sha256 == scenario.sha256
    assert again.lock() == scenario.lock()
    assert toml.read(lock)["solver"]["tolerance"] == 1e-4


def test_edited_lock_is_refused(small, write, tmp_path):
    # Oracle: the hash inside the file no longer belongs to it.
    lock = tmp_path / "scenario.lock.toml"
    lock.write_text(scenarios.load(write(small)).lock().replace("1e-06", "1").replace("2e-06", "3e-06"))
    with pytest.raises(InputError) as error:
        scenarios.load(lock)
    assert error.value.field == "scenario.sha256"


@pytest.mark.parametrize("name", scenarios.bundled_names())
def test_bundled_scenarios_are_valid(name):
    # Oracle: the schema.
    scenario = scenarios.load(scenarios.bundled(name))
    assert scenario.name == name
    assert scenario.tables.scenario.description


def test_unknown_demo():
    # Oracle: the list of bundled names.
    with pytest.raises(InputError, match=r"did you mean 'head-3t'"):
        scenarios.bundled("head3t")


@pytest.mark.parametrize(
    ("table", "solver", "double"),
    [
        (partial(FdtdTable, type="fdtd"), em.Fdtd, "float64"),
        (partial(VieTable, type="vie"), em.Vie, "complex128"),
        (partial(VsieTable, type="vsie"), em.Vsie, "complex128"),
        (EddyCurrentTable, em.EddyCurrent, "float64"),
    ],
)
def test_scenarios_and_solvers_refuse_the_same_tolerances(table, solver, double):
    # Oracle: one another, in decades and beside them.
    def accepted(kind, value):
        try:
            kind(tolerance=value, dtype=double)
        except (em.InputError, ValidationError):
            return False
        return True

    values = [factor * 10.0**n for n in range(-14, 2) for factor in (0.999, 1.0, 1.001)]
    found = [accepted(table, v) for v in values]
    assert found == [accepted(solver, v) for v in values]
    assert any(found)
    assert not all(found)
