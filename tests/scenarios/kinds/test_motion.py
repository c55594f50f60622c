"""Scenarios of kind ``motion``: a box that walks and turns beside a magnet, its page, and one line for bad input."""

from __future__ import annotations

import copy
import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import emdose as em
from emdose.errors import InputError
from emdose.scenarios import kinds, loading
from emdose.scenarios.kinds.motion import exposure, limit_rows
from emdose.scenarios.shared.induced.second_grid import on_larger_voxels

WALK = {
    "scenario": {"kind": "motion", "name": "walk"},
    "phantom": {
        "type": "gel-box",
        "size_m": [0.32, 0.16, 0.64],
        "spacing_m": 0.04,
        "tissues": {"gel": {"conductivity_S_m": 0.2}},
    },
    "magnet": {"type": "scanner", "field_T": 3.0},
    "trajectories": {
        "walk up": {"type": "walk-up", "from_m": 2.6, "to_m": 1.2, "samples": 60, "floor_m": -0.3},
        "turn": {"type": "turn", "distance_m": 1.3, "samples": 41, "floor_m": -0.3},
    },
    "solver": {"left_out": 5e-3},
}
"""A box 64 cm high whose middle is at the height of the axis."""


def changed(**tables):
    found = copy.deepcopy(WALK)
    for name, keys in tables.items():
        found[name] = keys
    return found


def loaded(tables):
    return loading.from_tables(tables, "walk.toml")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("motion")
    found = em.run_scenario(WALK, out=place / "result", device="cpu", progress=False)
    return em.read_result(found.folder)


def value(run, name):
    return run.quantities[name]["value"]


def test_fields_are_those_of_the_magnet_at_the_body(run) -> None:
    """Oracles: |B| of the magnet over all voxels at the last pose, and what differs from the first one."""
    magnet, body = em.scanner_magnet(3.0), em.phantoms.gel_box(0.04, (0.32, 0.16, 0.64))
    path = em.movements.walk(body, (0, 2.6), (0, 1.2), 1.3, floor_m=-0.3, samples=60)
    index = np.argwhere(body.body)
    points = np.asarray(body.grid.origin_m) + (index + 0.5) * 0.04
    poses = path.poses()
    first, last = (magnet.field(poses.points(points, n)) for n in (0, -1))
    assert value(run, "walk up: largest |B|") == pytest.approx(np.linalg.norm(last, axis=1).max(), rel=1e-4)
    largest = np.linalg.norm(last - first, axis=1).max()
    assert value(run, "walk up: largest change of B within 3 s") == pytest.approx(largest, rel=1e-4)
    course = run.courses["walk up"]
    assert course["B_T"].max() == pytest.approx(value(run, "walk up: largest |B|"))
    assert course["change_T"].max() == pytest.approx(largest, rel=1e-4)
    assert course["dBdt_T_s"].max() == pytest.approx(value(run, "walk up: largest dB/dt"))


def test_e_is_that_of_the_motion_itself(run) -> None:
    """Oracle: Quasistatic for the one pose of the largest E, solved on its own."""
    body = run.phantom
    path = em.movements.walk(body, (0, 2.6), (0, 1.2), 1.3, floor_m=-0.3, samples=60)
    at = run.summary["motion"]["trajectories"]["walk up"]["peak_time_s"]
    poses = path.poses([at])
    R = poses.rotations[0]
    own = em.RigidMotion(
        em.scanner_magnet(3.0),
        poses.velocities_m_s[0],
        (0, 0, 0),
        R,
        poses.positions_m[0] - R @ poses.centre_m,
        poses.centre_m,
    )
    E = np.linalg.norm(em.Quasistatic().solve(body, own, 10.0, device="cpu", progress=False).E[0], axis=0)
    assert np.nanmax(run.peaks["walk up"]) == pytest.approx(E.max(), rel=0.01)
    assert value(run, "walk up: E, largest voxel") == pytest.approx(E.max(), rel=0.01)
    worst = run.summary["motion"]["trajectories"]["walk up"]["tissues"][0]
    assert worst["cube"] == pytest.approx(np.percentile(E, 99), rel=0.02)


def test_every_number_and_every_index_has_an_uncertainty(run) -> None:
    for name, entry in run.quantities.items():
        assert entry["uncertainty"]["expanded"] > 0, name
    rows = [r for r in run.summary["checks"] if r["value"] is not None]
    assert all(r["uncertainty"] > 0 for r in rows)
    assert run.validity.state == "valid"


def test_rows_are_those_of_the_indices(run) -> None:
    """Oracles: em.check_motion for the same courses; static rows are the largest |B|; documents are those for staff."""
    rows = run.summary["checks"]
    assert {r["standard"] for r in rows} == {"Directive 2013/35/EU", "ICNIRP 2014", "ICNIRP 2009"}
    static = [r for r in rows if r["quantity"] == "static B sensory ELV" and r["region"].startswith("walk up")]
    assert [r["value"] for r in static] == [pytest.approx(value(run, "walk up: largest |B|"))]
    assert static[0]["uncertainty_of"] == "walk up: largest |B|"
    for name, one in run.summary["motion"]["trajectories"].items():
        for title, curve in one["course"]["indices"].items():
            standard, quantity, where = title.split(", ")
            (row,) = (
                r
                for r in rows
                if r["counted"]
                and r["standard"] == standard
                and r["quantity"] == f"{quantity}, weighted peak"
                and r["region"].startswith(f"{name}: {where}")
            )
            assert max(curve) == pytest.approx(row["value"], rel=0.02)
            assert value(run, row["uncertainty_of"]) == row["value"]
    hidden = [r for r in rows if "largest voxels" in r["region"]]
    assert hidden
    assert not any(r["counted"] for r in hidden)


def test_page_words_and_maps(run) -> None:
    kind = kinds.get("motion")
    page = kind.page(run)
    for text in ("Walking up to the magnet, turning", "weighted peak", "What this leaves out", "0.5 mT line"):
        assert text in page
    assert "µT" not in page
    told = str(kind.methods(run.summary))
    assert "v x B" in told
    console = Console(file=io.StringIO(), width=160)
    kind.tell(console, run.summary)
    assert "sensory" in console.file.getvalue()
    kind.tell(console, kind.withheld(run.summary))
    assert set(run.to_xarray()) >= {"E_peak_walk up", "E_peak_turn", "label"}


@pytest.mark.parametrize(
    ("checks", "documents", "left_out"),
    [
        ({"group": "patient"}, {"IEC 60601-2-33"}, set()),
        ({"group": "public"}, {"ICNIRP 2009", "ICNIRP 2010"}, set()),
        ({"standards": ["ICNIRP 2010"]}, {"ICNIRP 2010"}, set()),
        (
            {"controlled": True},
            {"Directive 2013/35/EU", "ICNIRP 2014", "ICNIRP 2009"},
            {"static B sensory ELV", "E sensory ELV, weighted peak", "E uncontrolled, weighted peak"},
        ),
    ],
)
def test_rows_are_those_of_the_group(checks, documents, left_out) -> None:
    """Under controlled conditions limits that keep off sensory effects are shown, and do not count."""
    scenario = loaded(changed(checks=checks))
    t = np.linspace(0, 1, 31)
    B = np.stack([0 * t, 0 * t, 0.5 + 0.5 * t**2], axis=1)[:, None]
    E = 0.1 * np.stack([t, 0 * t, 0 * t], axis=1)[:, None]
    yes = np.array([True])
    rows = limit_rows.checked(
        SimpleNamespace(tables=scenario.tables, file=None),
        t,
        exposure.SeenField(B, B, ~yes, B, B),
        exposure.FollowedVoxels(E, 2 * E, yes, yes),
    )
    assert {r["standard"] for r in rows} == documents
    typical = [r for r in rows if "largest voxels" not in r["region"] and not r["quantity"].startswith(("B ", "dB"))]
    assert {r["quantity"] for r in typical if not r["counted"]} == left_out
    with pytest.raises(InputError, match=r"checks\.standards"):
        loaded(changed(checks={"group": "patient", "standards": ["ICNIRP 2014"]}))


def test_a_kept_solution_is_the_same_again() -> None:
    """Oracle: the solution itself; what is evaluated of both is equal."""
    tables = changed(solver={"left_out": 0.02, "second_grid": False})
    tables["phantom"] |= {"spacing_m": 0.08}
    tables["trajectories"] = {"turn": {"type": "turn", "distance_m": 1.3, "samples": 12, "floor_m": -0.3}}
    job = kinds.get("motion").job(loaded(tables), "cpu")
    solution = job.solve()
    again = job.solution_of(job.solution_arrays(solution))
    one, other = (job.evaluate(s) for s in (solution, again))
    assert one.summary["quantities"] == other.summary["quantities"]
    np.testing.assert_array_equal(one.maps["turn"], other.maps["turn"])
    assert "uncertainty" not in one.summary["quantities"]["turn: largest |B|"]


def test_inputs_of_a_study(run) -> None:
    scenario, kind = loaded(WALK), kinds.get("motion")
    names = set(kind.inputs(scenario))
    assert {'trajectories."walk up".speed_m_s', "phantom.tissues.gel.conductivity_S_m"} <= names
    assert not [n for n in names if "translate" in n]
    assert [law["path"] for law in kind.default_laws(scenario)]
    assert kind.on_grid(scenario, 0.02)["phantom"]["spacing_m"] == 0.02


def test_a_second_grid_is_made_where_it_can_be() -> None:
    """A head of 8 mm has no generator for 12 mm: it is resampled, its regions with it."""
    for spacing, made in ((6e-3, True), (8e-3, False)):
        table = loaded(changed(phantom={"type": "layered-head", "spacing_m": spacing})).tables.phantom
        body = em.phantoms.layered_head(spacing)
        coarse = on_larger_voxels(table, body, 1.5)
        assert coarse.spacing_m[0] == pytest.approx(1.5 * spacing)
        if made:
            np.testing.assert_array_equal(coarse.labels, em.phantoms.layered_head(1.5 * spacing).labels)
        assert set(coarse.regions) == set(body.regions)


def test_surface_holds_what_is_largest() -> None:
    """Oracle: all voxels; fields without sources in a body are largest at its surface."""
    body, magnet = em.phantoms.gel_box(0.04, (0.32, 0.16, 0.64)), em.scanner_magnet(3.0)
    path = em.movements.turn(body, (0.1, 0.0, 1.4), math.radians(70), 1.7, about="roll")
    poses = path.poses()
    at = path.poses(path.times_s[[10, 20, 10, 30]])
    seen = exposure.seen(magnet, body, poses, at)
    index = np.argwhere(body.body)
    points = np.asarray(body.grid.origin_m) + (index + 0.5) * 0.04
    B = magnet.field(poses.points(points, 10))
    assert np.linalg.norm(seen.B_T[10], axis=1).max() == pytest.approx(np.linalg.norm(B, axis=1).max(), rel=1e-4)
    assert not seen.limbs.any()


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"magnet": {"type": "scanner", "field_T": 3000.0}}, ("magnet.field_T", "tesla")),
        ({"magnet": {"type": "scanner", "field_T": 2.0}}, ("magnet.field_T", "1.5, 3 or 7 T")),
        ({"trajectories": {"in": {"type": "walk-past", "distance_m": 0.7}}}, ("trajectories.in", "magnet's wall")),
        ({"trajectories": {}}, ("trajectories", "1 to 12")),
        ({"trajectories": {"a": {"type": "turn", "part": "head"}}}, ("trajectories.a.part", "no region of a head")),
        ({"trajectories": {"a": {"type": "walk-up", "from_m": 2.0, "to_m": 2.0}}}, ("trajectories.a", "no length")),
        ({"trajectories": {"a": {"type": "run"}}}, ("trajectories.a.type", "walk-up")),
    ],
)
def test_bad_input_is_one_line(tables, words) -> None:
    with pytest.raises(InputError) as error:
        kinds.get("motion").job(loaded(changed(**tables)), "cpu")
    text = str(error.value)
    assert all(word in text for word in words), text
    assert "\n" not in text


def test_maps_must_cover_the_body_and_be_in_tesla(tmp_path) -> None:
    """A map to z = 2 m, and one whose header says T for values in mT."""
    r, z = np.linspace(0, 0.8, 9), np.linspace(0, 2.0, 21)
    magnet = em.scanner_magnet(3.0)
    mesh = np.stack(np.meshgrid(r, [0.0], z, indexing="ij"), axis=-1).reshape(-1, 3)
    B = magnet.field(mesh)
    for name, factor, table in (("short", 1.0, "trajectories.walk up"), ("millitesla", 1e3, "not mT")):
        lines = [f"{p[0]}, {p[2]}, {factor * b[0]}, {factor * b[2]}" for p, b in zip(mesh, B, strict=True)]
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(["r [m], z [m], Br [T], Bz [T]", *lines]))
        with pytest.raises(InputError, match=table) as error:
            kinds.get("motion").job(loaded(changed(magnet={"type": "map", "file": str(path)})), "cpu")
        assert name == "short" or path.name in str(error.value)


def test_a_solenoid_of_3000_tesla_is_refused() -> None:
    coil = {"radius_m": 0.5, "low_m": -0.8, "high_m": 0.8, "ampere_turns": 4.5e9 / 5}
    table = {"type": "solenoid", "coils": {"main": coil}, "bore_radius_m": 0.3, "outer_radius_m": 1.0, "length_m": 1.7}
    with pytest.raises(InputError, match=r"magnet\.coils.*T, not mT|not mT"):
        kinds.get("motion").job(loaded(changed(magnet=table)), "cpu")


METAL = {
    "phantom": WALK["phantom"] | {"spacing_m": 0.01, "size_m": [0.32, 0.16, 0.32]},
    "trajectories": {"turn": {"type": "turn", "distance_m": 1.3, "samples": 12, "floor_m": -0.3}},
    "solver": {"left_out": 0.02, "second_grid": False},
    "implant": {"type": "sphere", "radius_m": 0.03, "metal": "own", "position_m": [0.1, 0.0, 0.08]},
    "metals": {"own": {"like": "Ti6Al4V"}},
}


def test_an_implant_draws_the_field_and_feels_the_motion(tmp_path) -> None:
    """Oracles: a ball's moment in slow motion, 2 pi sigma a^5 / 15; a kept solution."""
    found = em.run_scenario(changed(**METAL), out=tmp_path / "metal", device="cpu", progress=False).result
    assert value(found, "turn: with over without the implant, within 10 mm") > 1.3
    assert found.validity.measures
    assert any(m.name == "metal_volume" for m in found.validity.measures)
    metal = em.metals.get("Ti6Al4V")
    M = 2 * math.pi / 15 * metal.conductivity_S_m * 0.03**5 * np.eye(3)
    job = kinds.get("motion").job(loaded(changed(**METAL)), "cpu")
    path = job.movements[0].trajectory
    felt = em.mechanics.metal_course(em.scanner_magnet(3.0), path, M, (0.1, 0, 0.08))
    entry = found.quantities["turn: torque of eddy currents on the implant"]
    assert entry["value"] == pytest.approx(felt.largest_torque_N_m, rel=0.02)
    assert 0 < entry["uncertainty"]["expanded"] < entry["value"]
    solution = job.solve()
    again = job.evaluate(job.solution_of(job.solution_arrays(solution)))
    assert again.summary["quantities"] == found.quantities
    assert set(again.maps) == {"turn", "turn with the implant"}
    page = found.page()
    for text in ("With the implant", "torque of eddy currents", "Implant"):
        assert text in page
    assert "good conductor" in str(kinds.get("motion").methods(found.summary))
    assert any("without its metal" in text for text in found.summary["warnings"])


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"implant": METAL["implant"] | {"position_m": [0.3, 0, 0]}}, ("implant", "outside the phantom")),
        (
            {
                "phantom": {"type": "layered-head", "spacing_m": 8e-3},
                "trajectories": {"nod": {"type": "nod", "distance_m": 1.3, "part": "body"}},
                "implant": METAL["implant"] | {"metal": "wood"},
            },
            ("implant.metal", "wood"),
        ),
        (
            {
                "phantom": {"type": "stylised-adult", "spacing_m": 0.02},
                "trajectories": {"nod": {"type": "nod"}},
                "implant": {"type": "sphere", "radius_m": 0.02, "position_m": [0.0, 0.0, -0.2]},
            },
            ("implant", "no trajectory moves what the implant is in"),
        ),
    ],
)
def test_implants_that_cannot_be(tables, words) -> None:
    with pytest.raises(InputError) as error:
        kinds.get("motion").job(loaded({**changed(**METAL), **tables}), "cpu")
    assert all(word in str(error.value) for word in words), str(error.value)
