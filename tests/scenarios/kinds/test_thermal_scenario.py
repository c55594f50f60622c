"""The table [thermal] of an rf scenario: numbers, files, the page, and one clear line for what makes no sense."""

from __future__ import annotations

import json

import numpy as np
import pytest

import emdose as em
from emdose import scenarios
from emdose.errors import InputError
from emdose.io.disk import run_files
from emdose.scenarios.kinds.rf.page import thermal as page_thermal
from emdose.scenarios.kinds.rf.page.page import render
from emdose.scenarios.results import read_result
from emdose.solvers.heat.solver import Bioheat

GEL = {"heat_capacity_J_kg_K": 4150.0, "thermal_conductivity_W_m_K": 0.54}


@pytest.fixture
def warm(small):
    small["phantom"]["tissues"] = {"head_liquid": GEL}
    return small | {"thermal": {"duration_s": 600.0, "surface_W_m2_K": 10.0}}


@pytest.fixture(scope="module")
def finished_warm(tmp_path_factory):
    from emdose.scenarios.shared import toml

    folder = tmp_path_factory.mktemp("warm")
    tables = {
        "scenario": {"kind": "rf", "name": "warm"},
        "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 12.5e-3, "tissues": {"head_liquid": GEL}},
        "coil": {"type": "birdcage", "rungs": 8},
        "exposure": {"frequency_Hz": 127.74e6},
        "normalise": {"b1plus_rms_T": 2e-5},
        "checks": {"duty_cycle": 0.5, "ambient_degC": 30.0, "patient": True},
        "thermal": {"duration_s": 600.0, "on_s": 400.0, "surface_W_m2_K": 10.0},
    }
    file = folder / "warm.toml"
    file.write_text(toml.dump(tables), encoding="utf-8")
    return scenarios.run(file, folder / "result", device="cpu").folder


def test_numbers_agree_with_python(finished_warm):
    """Oracle: the same physics through the public names, without scenario."""
    result = read_result(finished_warm)
    about, numbers = result.summary["thermal"], result.summary["quantities"]
    from emdose.solvers.heat.solver import Envelope

    course = Bioheat(surface_W_m2_K=10.0).solve_sar(
        result.phantom, result.sar, 600.0, factor=0.5, envelope=Envelope.until(400.0), times_s=[400.0]
    )
    assert numbers["temperature_rise_max"]["value"] == pytest.approx(course.peaks_K[0], rel=3e-3)
    assert numbers["temperature_max"]["value"] == pytest.approx(37 + course.peaks_K[0], rel=1e-4)
    assert about["power_W"] == pytest.approx(0.5 * result.sar.power_W(), rel=1e-5)
    assert about["peak_rise_at_s"] == 400.0
    assert about["duty_cycle"] == 0.5
    assert about["balance_error"] < 1e-3
    assert about["time_error"] <= 2e-3
    np.testing.assert_allclose(result.thermal.course[-1], course.rise[-1], atol=3e-3 * course.peaks_K[0])


def test_adiabatic_limit(finished_warm):
    """Oracle: warming at SAR / c in the first seconds, before heat has moved."""
    result = read_result(finished_warm)
    t, rise = result.thermal.times_s[0], result.thermal.course[0]
    expected = 0.5 * result.sar.value.max() * t / 4150.0
    assert rise.max() == pytest.approx(expected, rel=0.1)


def test_maps_and_curve_belong_together(finished_warm):
    """Oracle: the summary computed anew from what result.h5 holds."""
    result = read_result(finished_warm)
    maps, about = result.thermal, result.summary["thermal"]
    np.testing.assert_allclose(maps.rise, np.maximum(maps.course.max(axis=0), 0), atol=1e-6)
    np.testing.assert_allclose(about["curve"]["peak_rise_K"][1:], maps.peaks_K, rtol=1e-6)
    np.testing.assert_allclose(maps.course.max(axis=(1, 2, 3)), maps.peaks_K, rtol=1e-5)
    top = result.summary["quantities"]["temperature_rise_max"]
    assert maps.rise[result.phantom.grid.index_of(top["location_m"])] == pytest.approx(top["value"], rel=1e-5)
    dose = em.cem43(np.append(0, maps.times_s), np.append(37.0, 37 + maps.peaks_K))
    found = result.summary["quantities"]["cem43_max"]
    assert found["value"] == pytest.approx(float(dose), rel=0.1, abs=1e-6)
    assert "a baseline of 37 degC by itself counts 0 min" in found["note"]
    assert result.summary["quantities"]["cem43_excess_max"]["value"] == found["value"]  # 37 degC do not count


def test_limits_are_shown_as_inherited(finished_warm):
    """Oracle: the table of limits; the temperatures were read for 2010 in a public source, not for 2022."""
    rows = run_files.read_summary(finished_warm)["thermal"]["limits"]
    assert [(r["mode"], r["limit"], r["state"], r["verified"]) for r in rows] == [
        ("normal", 39.0, "inherited", False),
        ("first level", 40.0, "inherited", False),
    ]


def test_page_shows_map_curve_and_assumptions(finished_warm):
    """Oracle: what the summary says stands on the page; the picture still shows SAR."""
    result = read_result(finished_warm)
    page = render(result)
    for words in (
        "Temperature rise",
        "Largest temperature rise over time",
        "What the temperatures rest on",
        "arterial blood does not change",
        "names no change of it; the text of 2022 was not read",
    ):
        assert words in page
    volume = json.loads(page.split('id="volume-data">')[1].split("</script>")[0])
    assert volume["first"] == "sar10g"
    assert "rise" in [layer["key"] for layer in volume["maps"]]
    assert "peak of SAR 10 g" in page


def test_without_the_table_nothing_changes(finished):
    """Oracle: the files of a run without it know nothing of temperatures."""
    result = read_result(finished)
    assert result.thermal is None
    assert "thermal" not in result.summary
    assert not any("temperature" in name for name in result.summary["quantities"])
    assert "thermal" not in (finished / "scenario.lock.toml").read_text()
    assert page_thermal.thermal(result.summary) is None
    assert page_thermal.layers(result) == []


def test_air_and_duty_cycle_come_from_the_checks(finished_warm, warm, write, tmp_path):
    """Oracle: [thermal] wins over [checks], which wins over the default."""
    options = run_files.read_summary(finished_warm)["thermal"]["provenance"]["options"]
    assert options["ambient_degC"] == 30.0
    warm["thermal"] |= {"ambient_degC": 18.0, "duty_cycle": 0.1, "initial": "steady", "perfusion": "linear"}
    about = scenarios.run(write(warm), tmp_path / "out", device="cpu").summary["thermal"]
    assert about["duty_cycle"] == 0.1
    assert about["provenance"]["options"]["ambient_degC"] == 18.0
    assert any("steady state" in s for s in about["assumptions"])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"duration_min": 15}, "thermal.duration_min: unknown key; expected 'duration_s' (in s, so duration_s = 900)"),
        ({"duration_s": 0}, "thermal.duration_s: bad value; found 0; expected a time in seconds"),
        ({"duration_s": 60.0, "times_s": [100.0]}, "expected times_s within duration_s = 60"),
        ({"times_s": [5.0, 5.0]}, "expected times_s that grow"),
        ({"duration_s": 60.0, "on_s": 90.0}, "expected on_s within duration_s = 60"),
        ({"initial": "cold"}, "thermal.initial: unknown choice; found 'cold'"),
        ({"perfusion": "linaer"}, "did you mean 'linear'?"),
        ({"ambient_degC": 300}, "thermal.ambient_degC: bad value; found 300; expected a room temperature in degC"),
        ({"surface_W_m2_K": -1}, "thermal.surface_W_m2_K: bad value"),
        ({"duty_cycle": 1.2}, "thermal.duty_cycle: bad value"),
    ],
)
def test_bad_lines(warm, write, change, line):
    warm["thermal"] |= change
    with pytest.raises(InputError) as caught:
        scenarios.load(write(warm))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_thermal_data_is_told_before_solving(warm, write, tmp_path):
    """A liquid whose heat capacity nobody gave; nothing is solved and nothing left."""
    del warm["phantom"]["tissues"]
    file = write(warm)
    with pytest.raises(InputError) as caught:
        scenarios.run(file, tmp_path / "out", device="cpu")
    assert "phantom.tissues.head_liquid.heat_capacity_J_kg_K: this tissue has no thermal data" in str(caught.value)
