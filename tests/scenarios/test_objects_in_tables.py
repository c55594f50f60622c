"""Models in the tables of a scenario: the run is a whole scenario, and tells what its file would."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.scenarios.shared.circuit_tables import SegmentsTable
from emdose.scenarios.shared.coils import coil as coil_of
from emdose.scenarios.shared.objects.source_tables import TABLES, table_of
from emdose.scenarios.shared.objects.written import Writing

HZ = 127.74e6
SOURCES = [
    em.Birdcage(rungs=8, shield_radius_m=0.2),
    em.Birdcage().translate((0.0, 0.01, 0.02)),
    em.Loop(0.08, centre_m=(0, 0, 0.1), normal=(0, 1, 1)),
    em.LoopArray(elements=4),
    em.PlaneWave(direction=(0, 1, 0), polarisation=(1.0, 0.0, 1j)),
    em.CurrentElement(0.01, direction=(1, 1, 0)),
    em.CircuitBirdcage(rungs=8, kind="low-pass", feeds=1),
    em.CapacitorLoop(0.05, capacitors=3),
    em.CapacitorLoopArray(elements=4),
    em.CapacitorLoopArray(elements=8, coverage=1.2, strip_width_m=6e-3, shield_radius_m=0.2, shield_slots=8),
    em.CapacitorLoopArray(elements=6, decoupling_F=2e-12),
    em.StripArray(8, radius_m=0.175, between_m=(6e-3, 17e-3, 6e-3), feed_from_end_m=0.03, feeds_between=True),
    em.MicrostripArray(6, ground="shield", shield_slots=6),
    em.Dipole(0.2, direction=(1, 0, 0)),
]


@pytest.fixture
def tables():
    return {
        "scenario": {"kind": "rf", "name": "mine"},
        "phantom": em.phantoms.sphere(0.05, 12.5e-3),
        "coil": em.Birdcage(rungs=8),
        "exposure": {"frequency_Hz": HZ},
        "normalise": {"b1plus_rms_T": 2e-6},
        "solver": em.Vie(tolerance=1e-4),
    }


def numbers(run):
    return {k: v["value"] for k, v in run.quantities.items()}


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: type(s).__name__)
def test_every_source_of_parameters_is_a_table(source):
    # Oracle: what the table makes again. Every class of the table of tables is here.
    again = coil_of(TABLES[type(source)][1].model_validate(table_of(source)))
    assert type(again) is type(source)
    assert again.ports == source.ports
    if hasattr(source, "segments"):
        assert np.allclose(again.segments, source.segments, atol=1e-12)
        assert np.allclose(again.currents, source.currents)


def test_all_sources_are_tried():
    assert {type(s) for s in SOURCES} == {*TABLES}


def test_objects_tell_what_tables_tell(tables, finished, tmp_path):
    # Oracle: the scenario of the same ball in the same coil, bit for bit.
    outcome = em.run_scenario(tables, tmp_path / "out", device="cpu")
    assert isinstance(outcome.result, em.Run)
    assert numbers(outcome.result) == numbers(em.read_result(finished))
    assert sorted(p.name for p in (tmp_path / "out" / "inputs").iterdir()) == ["phantom.h5"]
    assert em.run_scenario(tables, tmp_path / "out", device="cpu").state == "finished"
    again = em.run_scenario(tmp_path / "out" / "scenario.lock.toml", tmp_path / "again", device="cpu")
    assert numbers(again.result) == numbers(outcome.result)


def test_a_coil_of_own_filaments_goes_through_a_file(tables, finished, tmp_path):
    # Oracle: the same filaments made by parameters.
    bird = em.Birdcage(rungs=8)
    tables["coil"] = em.Coil("mine", bird.segments, bird.currents, bird.ports, bird.drives)
    tables["drive"] = {"name": "quadrature"}
    run = em.run_scenario(tables, tmp_path / "out", device="cpu").result
    assert (tmp_path / "out" / "inputs" / "coil.vtp").exists()
    own, other = numbers(run), numbers(em.read_result(finished))
    assert {k: own[k] for k in ("psSAR10g", "whole_body_sar")} == pytest.approx(
        {k: other[k] for k in ("psSAR10g", "whole_body_sar")}, rel=1e-5
    )


def test_metal_built_element_by_element_goes_through_a_file(tmp_path):
    # Oracle: the coil that was put in: its metal, what fills its gaps, its shield.
    c = em.conductors
    own = em.CircuitCoil(
        "mine",
        conductors=[
            c.Wire(
                [(0.04, 0.04, 0.1), (0.04, -0.04, 0.1), (-0.04, -0.04, 0.1), (-0.04, 0.04, 0.1), (0.04, 0.04, 0.1)],
                1e-3,
            )
        ],
        elements=[c.LumpedElement("C", (0.04, 0.005, 0.1), (0.04, -0.005, 0.1), capacitance_F=11e-12)],
        feeds=[c.FeedPort("feed", (-0.04, -0.005, 0.1), (-0.04, 0.005, 0.1), impedance_ohm=75.0)],
        shield=em.Shield(0.2, 0.4),
    )
    writing = Writing(tmp_path)
    plain = writing.tables({"coil": own})
    writing.write()
    back = coil_of(SegmentsTable.model_validate(plain["coil"]))
    assert [g.name for g in back.gaps] == [g.name for g in own.gaps]
    assert (back.element("C").capacitance_F, back.feeds[0].impedance_ohm) == (11e-12, 75.0)
    assert np.array_equal(np.array(back.conductors[0].points_m), np.array(own.conductors[0].points_m))
    assert back.conductors[0].radius_m == 1e-3
    assert back.shield == own.shield
    solid = em.CircuitCoil(
        "solid", [c.solid_box((0.0, 0.0, 0.1), (0.02, 0.02, 0.02)), *own.conductors], own.elements, own.feeds
    )
    with pytest.raises(InputError, match="coil"):
        writing.tables({"coil": solid})


def test_a_phantom_may_stand_for_its_file(tables, tmp_path):
    # Oracle: the phantom moved in Python.
    moved = tables["phantom"].translate((0.0, 0.0, 0.01))
    tables["phantom"] = {"type": "file", "file": tables["phantom"], "translate_m": [0.0, 0.0, 0.01]}
    run = em.run_scenario(tables, tmp_path / "out", device="cpu").result
    assert run.phantom.grid.origin_m == pytest.approx(moved.grid.origin_m)


def test_a_field_on_points_goes_through_a_file(tables, tmp_path):
    # Oracle: the field that was put in.
    axes = [np.linspace(-0.1, 0.1, 9)] * 3
    E = np.zeros((1, 3, 9, 9, 9), complex)
    E[:, 0] = 1.0 + 2j
    field = em.IncidentField.on_points(axes, E, frequency_Hz=HZ)
    writing = Writing(tmp_path)
    plain = writing.tables({"coil": field})
    writing.write()
    back = em.read_incident_field(plain["coil"]["file"])
    assert np.array_equal(back.E.values, E)
    tables["coil"] = em.IncidentField(lambda p: np.zeros((1, len(p), 3)), frequency_Hz=HZ)
    with pytest.raises(InputError, match="given by a function cannot be written"):
        em.run_scenario(tables, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_implants_and_waveforms_go_through_files(tmp_path):
    # Oracle: what the readers make of the files again.
    own = em.metals.get("CoCrMo").replace(conductivity_S_m=1e6)
    implant = em.implants.cylinder(0.005, 0.04, metal=own).placed((0.01, 0.0, 0.02))
    wave = em.waveforms.epi(echoes=4)
    writing = Writing(tmp_path)
    plain = writing.tables({"implant": implant, "exposures": {"mine": wave}, "gradients": em.GradientSet()})
    writing.write()
    table = plain["implant"]
    assert plain["metals"][table["metal"]]["conductivity_S_m"] == 1e6
    back = em.read_implant(table["file"], metal=own, unit=table["unit"]).placed(table["position_m"])
    assert np.allclose(back.bounds_m, implant.bounds_m, rtol=0, atol=1e-9)
    assert back.volume_m3 == pytest.approx(implant.volume_m3, rel=1e-9)
    from emdose.io.gradients.waveforms import read_waveform

    again = read_waveform(plain["exposures"]["mine"]["file"], plain["exposures"]["mine"]["quantity"])
    assert np.allclose(again.rms, wave.rms, rtol=1e-9)
    first = (tmp_path / Path(table["file"]).name).read_bytes()
    writing.write()
    assert (tmp_path / Path(table["file"]).name).read_bytes() == first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phantom": object()}, "phantom: no table or file.*object"),
        ({"coil": em.CircuitCoil}, "coil: no table or file"),
        ({"normalise": {"b1plus_rms_uT": 2.0}}, "b1plus_rms_T"),
        ({"scenario": {"kind": "fr", "name": "mine"}}, "unknown kind"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(tables, tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        em.run_scenario({**tables, **change}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(tables, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="not a result folder"):
        em.run_scenario(tables, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_tables_are_not_changed_and_named_after_the_scenario(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = copy.copy(tables)
    outcome = em.run_scenario(tables, device="cpu")
    assert outcome.folder.name == "mine-result"
    assert tables == before


@pytest.mark.parametrize("placed", [True, False], ids=["in the scanner", "arrays"])
def test_b1_maps_go_through_files(tmp_path, placed):
    # Oracle: the reader of B1+ maps, bit for bit.
    rng = np.random.default_rng(2)
    shape = (7, 8, 9)
    affine = np.diag([2.0, 2.0, 3.0, 1.0]) if placed else None
    mask = rng.random(shape) > 0.2
    b1 = em.ept.B1Map(
        em.Grid(shape, (2e-3, 2e-3, 3e-3)), HZ, 1 + rng.random(shape), rng.normal(size=shape), mask=mask, affine=affine
    )
    writing = Writing(tmp_path)
    plain = writing.tables({"data": b1})
    writing.write()
    assert plain["exposure"] == {"frequency_Hz": HZ}
    more = {k: plain["data"].get(k) for k in ("mask", "spacing_m") if plain["data"].get(k) is not None}
    back = em.read_b1(plain["data"]["magnitude"], plain["data"]["phase"], frequency_Hz=HZ, phase_unit="rad", **more)
    for name in ("magnitude", "phase", "mask"):
        assert np.array_equal(getattr(back, name), getattr(b1, name)), name
    assert back.grid.spacing_m == pytest.approx(b1.grid.spacing_m)
