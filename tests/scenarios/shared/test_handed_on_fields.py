"""Samples of a study that share induced fields: what they share is what they would have found."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import emdose as em
from emdose.compute.shared import Shared
from emdose.errors import ConvergenceError
from emdose.models import UniformField
from emdose.scenarios import kinds, loading
from emdose.solvers.quasistatic.solver import Quasistatic

HEAD: dict[str, Any] = {
    "scenario": {"kind": "body-gradient", "name": "head"},
    "phantom": {"type": "layered-head", "spacing_m": 8e-3, "tissues": {"muscle": {"conductivity_S_m": 0.3}}},
    "exposures": {
        "one": {"type": "sinusoid", "frequency_Hz": 1000.0, "dbdt_rms_T_s": 10.0, "direction": [0.0, 1.0, 0.0]}
    },
    "solver": {"tissue_frequency_Hz": 1000.0},
}
NOD: dict[str, Any] = {
    "scenario": {"kind": "motion", "name": "nod"},
    "phantom": HEAD["phantom"],
    "magnet": {"type": "scanner", "field_T": 3.0},
    "trajectories": {"nod": {"type": "nod", "distance_m": 1.3, "part": "body", "samples": 15, "floor_m": -0.2}},
    "solver": {"left_out": 0.02, "tissue_frequency_Hz": 1000.0},
}


@pytest.fixture
def solutions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sources every solution had."""
    found: list[int] = []
    solve = Quasistatic._solve_plain

    def counted(self: Any, block: Any, *more: Any) -> None:
        found.append(len(block))
        solve(self, block, *more)

    monkeypatch.setattr(Quasistatic, "_solve_plain", counted)
    return found


def job_of(tables: dict[str, Any], shared: Shared) -> Any:
    scenario = loading.from_tables(tables, "head.toml")
    return kinds.get(scenario.kind).sharing_job(scenario, "cpu", shared)


def scaled(tables: dict[str, Any], factor: float) -> dict[str, Any]:
    """All conductivities times a factor."""
    scenario = loading.from_tables(tables, "head.toml")
    found = copy.deepcopy(tables)
    own = kinds.get(scenario.kind).job(scenario, "cpu").body
    for one in own.tissues[1:]:
        found["phantom"]["tissues"][one.name] = {"conductivity_S_m": factor * one.conductivity(1000.0)}
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tables", [HEAD, NOD])
def test_a_factor_of_all_conductivities_is_not_solved_for(tables: Any, solutions: list[int]) -> None:
    """Oracle: the numbers of the sample by itself."""
    shared = Shared()
    first = job_of(tables, shared)
    first.evaluate(first.solve())
    solved = len(solutions)
    assert solved > 0
    again = job_of(scaled(tables, 1.7), shared)
    outcome = again.evaluate(again.solve())
    assert len(solutions) == solved
    own = job_of(scaled(tables, 1.7), Shared())
    solution = own.solve()
    alone = own.evaluate(solution)
    assert len(solutions) > solved
    for key, entry in alone.summary["quantities"].items():
        assert outcome.summary["quantities"][key]["value"] == pytest.approx(entry["value"], rel=1e-4), key
    handed, found = again.solve(), (lambda s: s.body if tables is HEAD else s["body"].field.induced)
    pair = found(handed), found(solution)
    np.testing.assert_allclose(pair[0].conductivity, pair[1].conductivity, rtol=1e-6)
    assert pair[0].phantom is again.body
    # One tissue by itself is another problem.
    other = copy.deepcopy(tables)
    other["phantom"]["tissues"]["muscle"] = {"conductivity_S_m": 0.4}
    changed = len(solutions)
    job_of(other, shared).solve()
    assert len(solutions) > changed


@pytest.mark.filterwarnings("ignore")
def test_what_sources_impress_is_found_once() -> None:
    """Oracles: the solution by itself, to the last bit; how often the source is asked."""

    class Counted:
        name, drive_unit, asked = "counted", "T/s", 0

        def __init__(self, b: Any) -> None:
            self.field = em.Switched(UniformField(b), "T/s")

        def impressed_E(self, points: Any) -> Any:
            Counted.asked += len(points)
            return self.field.impressed_E(points)

    shared, quiet = Shared(), {"device": "cpu", "progress": False}
    bodies = [em.phantoms.gel_box(0.02, (0.2, 0.2, 0.3), tissue=t) for t in ("muscle", "fat")]
    em.Quasistatic().solve(bodies[0], Counted((0, 0, 1)), **quiet, shared=shared)
    asked = Counted.asked
    second = em.Quasistatic().solve(bodies[1], Counted((0, 0, 1)), **quiet, shared=shared)
    assert Counted.asked - asked < 100
    alone = em.Quasistatic().solve(bodies[1], Counted((0, 0, 1)), **quiet)
    np.testing.assert_array_equal(second.E, alone.E)
    third = em.Quasistatic().solve(bodies[1], Counted((0, 1, 0)), **quiet, shared=shared)
    assert np.abs(third.E - second.E).max() > 0.01


@pytest.mark.filterwarnings("ignore")
def test_motions_vary_conductivities_one_by_one() -> None:
    """A factor of all of them changes no field: a budget of it alone would be none."""
    scenario = loading.from_tables(NOD, "nod.toml")
    paths = [str(law["path"]) for law in kinds.get("motion").default_laws(scenario)]
    assert len(paths) > 3
    assert all(path.endswith("conductivity_S_m") and "*" not in path for path in paths)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tables", [HEAD, NOD])
def test_a_missed_tolerance_ends_the_run(tables: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the iteration had is no solution: it was evaluated, and ended in an index error."""

    def missed(*_: Any, **__: Any) -> None:
        raise ConvergenceError("residual 1 misses 1e-6", partial=np.zeros(3))

    monkeypatch.setattr(Quasistatic, "_solve_plain", missed)
    with pytest.raises(ConvergenceError, match="residual 1 misses") as error:
        em.run_scenario(tables, out=tmp_path / "out", device="cpu", progress=False)
    assert error.value.partial is None
