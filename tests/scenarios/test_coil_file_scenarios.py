"""Coils from files as the source of a scenario: the same numbers as in Python."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.scenarios import run
from emdose.scenarios.loading import load
from emdose.scenarios.shared.coils import coil

BODY = {"radius_m": 0.05, "spacing_m": 12.5e-3}


@pytest.fixture
def segments(small):
    small["coil"] = {"type": "segments", "file": "coil.csv"}
    return small


def made(write, tables):
    scenario = load(write(tables))
    return coil(scenario.tables.coil, scenario.file)


def test_an_array_from_a_table(segments, write, tmp_path):
    """Oracles: the same exposure in Python, to the last bit; the array that was written; its conductors on the page."""
    path = em.write_coil(em.LoopArray(4, radius_m=0.09, length_m=0.1), tmp_path / "coil.csv")
    segments["normalise"] = {"absorbed_power_W": 1.0}
    result = run(write(segments), tmp_path / "out")
    array = em.read_coil(path)
    body = em.phantoms.sphere(**BODY)
    fields = em.Vie().solve(em.Exposure(body, array, 127.74e6)).drive("circular").scale(absorbed_power_W=1.0)
    assert result.summary["quantities"]["point_sar_max"]["value"] == pytest.approx(
        float(em.point_sar(fields, body).value.max()), rel=1e-6
    )
    assert result.summary["provenance"]["drive"]["name"] == "circular"
    np.testing.assert_array_equal(em.read_result(tmp_path / "out").coil.segments, array.segments)
    page = em.write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert "coil.csv" in page


def test_repeated_turned_moved_and_shielded(segments, write, tmp_path):
    """Oracle: the loop array with a shield."""
    em.write_coil(em.LoopArray(1, coverage=0.45), tmp_path / "coil.csv")
    segments["coil"] |= {"repeat": 8, "shield_radius_m": 0.19, "position_m": [0, 0, 0.01]}
    found = made(write, segments)
    ready = em.LoopArray(8, shield_radius_m=0.19).translate((0, 0, 0.01))
    np.testing.assert_allclose(found.segments, ready.segments, atol=1e-15)
    assert found.shield == ready.shield
    segments["coil"] |= {"rotate_deg": [90, 0, 0], "repeat_axis": "y", "position_m": [0, 0, 0]}
    del segments["coil"]["shield_radius_m"]
    lying = made(write, segments)
    low, high = lying.extent_m
    assert (high[1] - low[1]) == pytest.approx(0.16)


def test_metal_has_engines_of_its_own_and_its_files_count(segments, write, tmp_path):
    """Oracles: the circuit coil in Python; the rule of engines; a changed table is another scenario."""
    square = "x_mm,y_mm,z_mm\n-40,-40,90\n40,-40,90\n40,40,90\n-40,40,90\n-40,-40,90\n"
    (tmp_path / "coil.csv").write_text(square)
    (tmp_path / "gaps.csv").write_text("segment,capacitance_pF,feed\n1,10,feed\n3,10,\n")
    segments["coil"] |= {"gaps": "gaps.csv", "wire_radius_m": 1e-3}
    assert load(write(segments)).tables.solver.type == "vsie"
    segments["solver"] = "vie"
    with pytest.raises(InputError, match=r'solver.*"vsie" or "fdtd"'):
        load(write(segments))
    segments["solver"] = {"type": "fdtd"}
    first = load(write(segments))
    found = made(write, segments)
    assert isinstance(found, em.CircuitCoil)
    assert found.elements[0].capacitance_F == pytest.approx(10e-12)
    (tmp_path / "gaps.csv").write_text("segment,capacitance_pF,feed\n1,12,feed\n3,12,\n")
    assert load(write(segments)).sha256 != first.sha256
    em.write_coil(found, tmp_path / "metal.vtp")
    written = segments | {"coil": {"type": "segments", "file": "metal.vtp", "gaps": "metal.vtp"}}
    assert made(write, written).feeds[0].name == "feed"
    del written["coil"]["gaps"], written["solver"]
    with pytest.raises(InputError, match=r"coil\.gaps: the file holds a coil of metal"):
        made(write, written)
    trimesh = pytest.importorskip("trimesh")
    trimesh.creation.box((40, 40, 10)).export(tmp_path / "plate.stl")
    segments["coil"] |= {"metal": "plate.stl", "metal_unit": "mm"}
    assert len(made(write, segments).conductors) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"file": "missing.csv"}, "coil.file"),
        ({"unit": "m"}, "two units"),
        ({"metal": "plate.stl"}, "coil.metal: does not fit the rest"),
        ({"metal_unit": "mm"}, "coil.metal_unit: does not fit the rest"),
        ({"repeat": 0}, "coil.repeat"),
        ({"repeat": 2, "repeat_angle_deg": 360.0}, "coil.count"),
        ({"wire_radius_m": 1e-3}, "wire_radius_m: only a coil of metal has it"),
        ({"gap": 1e-3}, "coil.gap: unknown key; expected 'gap_m'"),
    ],
)
def test_what_does_not_fit_is_one_line(change, said, segments, write, tmp_path):
    """Oracle: the contract."""
    em.write_coil(em.LoopArray(1, coverage=0.45), tmp_path / "coil.csv")
    segments["coil"] |= change
    with pytest.raises(InputError) as error:
        made(write, segments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_drawn_cage_is_tuned_as_the_birdcage(write, tmp_path):
    """Oracle: the ready-made birdcage, whose metal is the same edge for edge: capacitance, SAR and power."""
    turn = np.radians(np.arange(0, 360.1, 1.5))
    wires, gaps = ["conductor,x_mm,y_mm,z_mm"], ["conductor,x_mm,y_mm,z_mm,gap_mm,capacitance_pF,feed"]
    for ring, z in (("top", 50), ("bottom", -50)):
        wires += [f"{ring},{87.5 * np.cos(a):.12g},{87.5 * np.sin(a):.12g},{z}" for a in turn]
        for n in range(4):
            a = np.pi / 2 * (n + 0.5)
            feed = f"feed {n + 1}" if ring == "top" and n < 2 else ""
            gaps += [f"{ring},{87.5 * np.cos(a):.12g},{87.5 * np.sin(a):.12g},{z},12.5,20,{feed}"]
    for n in range(4):
        x, y = (87.5 * np.round(f(n * np.pi / 2), 12) for f in (np.cos, np.sin))
        wires += [f"rung {n},{x},{y},{z}" for z in (-50, 50)]
    (tmp_path / "cage.csv").write_text("\n".join(wires))
    (tmp_path / "gaps.csv").write_text("\n".join(gaps))
    tables = {
        "scenario": {"kind": "rf"},
        "phantom": {"type": "sphere", **BODY},
        "exposure": {"frequency_Hz": 127.74e6},
        "normalise": {"b1plus_rms_T": 1e-6},
        "solver": {"type": "fdtd", "tolerance": 2e-3},
        "tuning": {},
    }
    drawn = {"type": "segments", "file": "cage.csv", "gaps": "gaps.csv"}
    ready = {"type": "circuit-birdcage", "rungs": 4, "radius_m": 0.0875, "length_m": 0.1, "gap_m": 12.5e-3}
    mine, theirs = (
        run(write(tables | {"coil": c}, f"{c['type']}.toml"), tmp_path / c["type"]).summary for c in (drawn, ready)
    )
    values = [{e["capacitance_F"] for e in s["network"]["elements"].values()} for s in (mine, theirs)]
    assert max(values[0]) == pytest.approx(max(values[1]), rel=1e-6)
    for key in ("psSAR10g", "input_power", "absorbed_power"):
        assert mine["quantities"][key]["value"] == pytest.approx(theirs["quantities"][key]["value"], rel=1e-5)
