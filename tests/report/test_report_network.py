"""The section of a tuned coil on the report page: its numbers are those of the summary."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_network import about
from made_up_result import made_up_result

from emdose.models.bodies import sphere
from emdose.report.maps.scene import Scene, shield_lines
from emdose.report.pages import common_rows
from emdose.report.wording import parameter
from emdose.scenarios.kinds.rf.page.network import network
from emdose.scenarios.kinds.rf.page.page import render
from emdose.scenarios.kinds.rf.result.result import CoilSummary


@pytest.fixture(autouse=True)
def no_renderer(monkeypatch):
    """The picture takes seconds and is not what these tests look at."""
    monkeypatch.setattr(
        "emdose.scenarios.kinds.rf.page.page.Renderer", lambda scene: SimpleNamespace(png=lambda: (b"png", ""))
    )


@pytest.fixture
def result():
    """A made-up result on a small ball."""
    return made_up_result(phantom=sphere(0.06, 12e-3))


def page_of(result, **changes):
    return render(replace(result, summary={**result.summary, **changes}))


@pytest.mark.parametrize("ports", [1, 2, 3])
def test_matrix_is_that_of_the_summary(ports):
    # Oracle: decibels of the made-up matrix: no reflection at the frequency, 0.05 of coupling.
    shown = network({"network": about(ports)})
    assert shown["ports"] == len(shown["matrix"]) == ports
    for n, row in enumerate(shown["matrix"]):
        expected = ["\u221226.0"] * ports
        expected[n] = "below \u221260"
        assert row["values"] == expected
    # Every pair once: the network is reciprocal.
    assert shown["chart"].count("|S") == ports * (ports + 1) // 2


def test_many_ports_are_drawn_in_part_and_it_says_so(result):
    # Oracle: 8 ports have 36 parameters; a chart of ten holds the eight reflections and the two largest couplings.
    many = about(8)
    for i, j in ((5, 4), (7, 6)):
        for row in many["S"]:
            row[i][j] = row[j][i] = [0.2, 0.0]
    shown = network({"network": many})
    assert [f"|S{n}{n}|" in shown["chart"] for n in range(1, 9)] == [True] * 8
    assert "|S65|" in shown["chart"]
    assert "|S87|" in shown["chart"]
    assert shown["chart"].count("|S") == 10
    assert "Drawn are 10 of 36 parameters" in page_of(result, network=many)
    assert "Drawn are" not in page_of(result, network=about(2))


def test_modes_are_those_near_the_frequency():
    # Oracle: the list above: within an octave and with a quality of at least 2; 127.74 MHz lies within two resonances.
    shown = network({"network": about()})
    assert [m["frequency"] for m in shown["modes"]] == ["71.400", "109.40", "127.72", "127.82"]
    assert [m["here"] for m in shown["modes"]] == [False, False, True, True]
    assert [m["note"] for m in shown["modes"]] == ["extrapolated", "", *["at the frequency"] * 2]
    assert shown["more_modes"] == 3


def test_many_modes_are_cut_to_the_nearest():
    # Oracle: counting.
    many = [{"frequency_Hz": v * 1e6, "quality": 100.0, "within": True} for v in range(90, 130)]
    shown = network({"network": about(modes=many)})
    assert [m["frequency"] for m in shown["modes"]][-1] == "129.00"
    assert len(shown["modes"]) == 12
    assert shown["more_modes"] == 28


def test_elements_of_one_value_share_a_row():
    # Oracle: the values above in pF, nH and ohm.
    shown = network({"network": about()})
    assert shown["elements"] == [
        {"value": "38.53 pF", "names": "C1 to C8 (8)"},
        {"value": "82.00 nH, 0.5000 \N{OHM SIGN}", "names": "trap"},
    ]
    assert shown["matching"][0] == {"name": "feed 1", "steps": "19.44 pF in series; 25.10 pF across the feed"}


@pytest.mark.parametrize(
    ("tuned", "matching", "says"),
    [(True, True, "Tuned and matched"), (True, False, "Tuned"), (False, True, "Matched"), (False, False, "As given")],
)
def test_says_what_was_done(tuned, matching, says):
    # Oracle: the two switches of the scenario.
    changes = {} if matching else {"matching": {}}
    assert network({"network": about(tuned=tuned, **changes)})["done"].startswith(says)


def test_page_has_the_section(result):
    # Oracle: the numbers above, on the page as a reader sees it; a coil without modes has no table of them.
    page = page_of(result, network=about(3))
    for text in ("Coil as a network", "127.74 MHz", "38.53 pF", "matching of feed 3", "127.82", "at the frequency"):
        assert text in page
    assert 'href="#network"' in page
    bare = page_of(result, network=about(1, modes=[], elements={}))
    assert "Mode of the loaded coil" not in bare


def test_no_section_without_a_network(result):
    # Oracle: a coil of given currents has none.
    page = page_of(result)
    assert "Coil as a network" not in page
    assert 'href="#network"' not in page


def test_words_are_those_of_the_engine(result):
    # Oracle: steps in time are no iterations, and what the source delivers is no work of an incident field.
    convergence = {**result.summary["convergence"], "method": "fdtd"}
    provenance = {**result.summary["provenance"], "engine": "Fdtd"}
    power = {**result.summary["power_balance"], "lost_W": 0.01}
    page = page_of(result, convergence=convergence, provenance=provenance, power_balance=power)
    assert "Steps" in page
    assert "Iterations" not in page
    assert "Delivered by the source" in page
    assert "Work of the incident field" not in page
    assert "Lost in elements of the coil" in page
    rounding = {**power, "lost_W": 1e-14}
    assert "Lost in elements" not in page_of(result, provenance=provenance, power_balance=rounding)


def test_convergence_names_what_was_slowest():
    # Oracle: the runs of a network are those of its gaps, and every feed has the history of the slowest of them.
    ports = [{"name": n, "residual": 1e-4, "iterations": 900, "history": [1, 1e-2, 1e-4]} for n in ("feed 1", "feed 2")]
    data = {"method": "fdtd", "tolerance": 1e-3, "ports": ports, "runs": ["feed 1", "feed 2", "top 2", "top 3"]}
    assert [p["name"] for p in common_rows.convergence({"convergence": data})["ports"]] == ["slowest of 4 gaps"]
    assert "slowest of 4 gaps" in common_rows.convergence({"convergence": data})["chart"]
    for runs in (["feed 1", "feed 2"], ["feed 1", "feed 1", "feed 2"]):
        rows = common_rows.convergence({"convergence": data | {"runs": runs}})["ports"]
        assert [p["name"] for p in rows] == ["feed 1", "feed 2"]


def test_set_up_lists_what_is_there(result):
    # Oracle: the parameters in the units that a coil builder uses; what is not there is not listed.
    parameters = {
        "kind": "high-pass birdcage",
        "rungs": 16,
        "radius_m": 0.15,
        "capacitance_F": 20e-12,
        "wire_radius_m": None,
        "feed_impedance_ohm": 50.0,
    }
    coil = CoilSummary("birdcage", result.coil.segments, result.coil.currents, "V", parameters)
    page = render(replace(result, coil=coil))
    assert "high-pass birdcage, rungs 16, radius 150 mm, capacitance 20 pF, feed impedance 50 \N{OHM SIGN}" in page
    assert "wire radius" not in page
    assert parameter("size_m", [0.1, 0.2]) == "size (100, 200) mm"


def test_shield_is_drawn_where_there_is_one(result):
    # Oracle: a cylinder: every end of its lines has the radius, and they span the length.
    lines = shield_lines({"shield_radius_m": 0.18, "shield_length_m": 0.26})
    assert np.allclose(np.hypot(lines[..., 0], lines[..., 1]), 0.18)
    assert np.ptp(lines[..., 2]) == pytest.approx(0.26)
    assert shield_lines({"radius_m": 0.15}).shape == (0, 2, 3)
    scene = Scene(np.ones((2, 2, 2), bool), (1, 1, 1), (0, 0, 0), lines[:3], np.ones((2, 2, 2)), None, lines)
    assert np.array_equal(Scene.of_archive(scene.archive()).outline_m, lines)
    coil = replace(result.coil, parameters={"shield_radius_m": 0.18, "shield_length_m": 0.26})
    assert "Grey lines are its shield" in render(replace(result, coil=coil))
    assert "Grey lines" not in render(result)
