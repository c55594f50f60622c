"""What motions will take, and what a stopped solution goes on from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError, ResourceError
from emdose.solvers.quasistatic import planning
from emdose.solvers.running import Iteration, PartsFrom

QUIET = {"device": "cpu", "progress": False}


class Memory(dict[str, Any]):
    """A checkpoint in memory."""

    def save(self, name: str, arrays: Any) -> None:
        self[name] = {k: np.array(v) for k, v in arrays.items()}

    def load(self, name: str) -> Any:
        return self.get(name)


@pytest.fixture(scope="module")
def case():
    body, magnet = em.phantoms.gel_box(0.04, (0.32, 0.2, 0.8)), em.scanner_magnet(3.0)
    return body, magnet, em.movements.walk_past(body, 1.4, 2.0, samples=40)


def test_a_plan_knows_the_motions(case) -> None:
    """Oracle: what is solved then."""
    solver = em.Moving(tolerance=1e-2)
    plan, got = solver.plan(*case, device="cpu"), solver.solve(*case, **QUIET)
    assert plan.motions == len(got.induced.sources)
    assert plan.poses == 40
    assert plan.size == len(got.induced.cells)
    assert plan.bytes > plan.solution.bytes > 12 * plan.motions * plan.size
    assert plan.device == "cpu"
    assert str(plan).startswith(f"{plan.motions} motions for 40 poses: {plan.size} voxels that conduct")
    metal = solver.plan(*case, device="cpu", implants=[em.implants.box((0.12, 0.08, 0.12))])
    assert metal.size < plan.size


def test_what_does_not_fit_is_said_before(case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "OVERHEAD", 2**60)
    with pytest.raises(ResourceError, match="a spacing of"):
        em.Moving(tolerance=1e-2).plan(*case, device="cpu")
    with pytest.raises(InputError, match="no trajectory"):
        em.Moving().plan(case[0], case[1], [])


def test_a_stopped_solution_goes_on(case) -> None:
    """Oracles: the solution in one go; finished motions are not solved for again."""
    solver, kept = em.Moving(tolerance=1e-2), Memory()
    whole = solver.solve(*case, **QUIET)
    count = len(whole.induced.sources)
    assert count > 4

    def stop(event: Any) -> None:
        if isinstance(event, Iteration) and event.index >= 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        solver.solve(*case, device="cpu", progress=stop, checkpoint=PartsFrom(kept, 1000))
    assert sorted(kept) == [f"port-{n}" for n in range(1000, 1004)]
    solved = []
    again = solver.solve(
        *case,
        device="cpu",
        progress=lambda e: solved.append(e.index) if isinstance(e, Iteration) else None,
        checkpoint=PartsFrom(kept, 1000),
    )
    assert min(solved) == 4
    assert len(kept) == count
    np.testing.assert_allclose(again.induced.E, whole.induced.E, atol=1e-5 * float(np.abs(whole.induced.E).max()))
    np.testing.assert_allclose(again.induced.residual, whole.induced.residual, rtol=0.5)
    assert [s["name"] for s in again.induced.about["sampling"]] == [s.name for s in again.induced.sources]


def test_what_was_kept_of_another_source_is_not_taken(case) -> None:
    """Oracle: the solution without a checkpoint; the sources have one name."""
    kept = Memory()
    one, other = (em.Switched(em.models.UniformField(b, "B"), "T/s") for b in ((0, 0, 1), (0, 1, 0)))
    em.Quasistatic().solve(case[0], one, **QUIET, checkpoint=kept)
    found = em.Quasistatic().solve(case[0], other, **QUIET, checkpoint=kept)
    np.testing.assert_array_equal(found.E, em.Quasistatic().solve(case[0], other, **QUIET).E)
    same = em.Quasistatic(keep_edges=True).solve(case[0], other, **QUIET, checkpoint=kept)
    taken = em.Quasistatic(keep_edges=True).solve(case[0], other, **QUIET, checkpoint=kept)
    np.testing.assert_array_equal(taken.edges.E, same.edges.E)
