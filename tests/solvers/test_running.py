"""One way to run: every solver speaks the same events, plans and checkpoint.

Oracle of every test here: the words of emdose.solvers.running, or arithmetic.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from memory_checkpoint import Memory

import emdose as em
from emdose.ept.inversion.csi import Csi
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.solvers import running
from emdose.solvers.eddy.options import EddyOptions
from emdose.solvers.fdtd.setup.options import FdtdOptions
from emdose.solvers.heat.options import BioheatOptions
from emdose.solvers.running import Begin, Checkpoint, Done, Event, Iteration, March, Plan, Setup, TimeStep
from emdose.solvers.vie.options import VieOptions
from emdose.validation import cases

BODY = em.phantoms.layered_sphere((0.03, 0.05), ("muscle", "fat"), 10e-3)
EXPOSURE = em.Exposure(BODY, em.Birdcage(rungs=4, radius_m=0.08, length_m=0.08), 128e6)
LOOP = em.Exposure(BODY, em.CapacitorLoop(size_m=(0.08, 0.08), capacitors=2, centre_m=(0, 0, 0.07), gap_m=0.01), 128e6)
METAL = em.implants.sphere(0.0125, "Ti6Al4V", subdivisions=3)
FDTD = em.Fdtd(tolerance=0.1, cpml_cells=6)
EDDY = em.EddyCurrent(spacing_m=2e-3, engine="voxel")
WORDS = {Setup, Begin, Iteration, TimeStep, March, Done}

SOLUTIONS: dict[str, Callable[..., Any]] = {
    "vie": lambda **how: em.Vie(tolerance=1e-2).solve(EXPOSURE, device="cpu", **how),
    "fdtd": lambda **how: FDTD.solve(EXPOSURE, device="cpu", **how),
    "cosimulation": lambda **how: FDTD.cosimulate(LOOP, [128e6], device="cpu", **how),
    "eddy currents": lambda **how: EDDY.solve(METAL, [300.0, 1e3], device="cpu", **how),
    "currents": lambda **how: EDDY.currents(METAL, 1e3, device="cpu", **how),
}


def _heat(**how: Any) -> Any:
    return em.Bioheat(tolerance=0.1).solve_sar(BODY, duration_s=30.0, power_W_m3=1e3 * BODY.body, device="cpu", **how)


@pytest.mark.parametrize("name", [*SOLUTIONS, "heat"])
def test_solvers_say_nothing_else(name: str) -> None:
    events: list[Event] = []
    (SOLUTIONS.get(name) or _heat)(progress=events.append)
    assert {type(e) for e in events} <= WORDS
    assert all(0 <= e.index < e.count for e in events)
    assert all(e.fraction is None or 0 <= e.fraction <= 1 for e in events)
    moving = [e for e in events if isinstance(e, Iteration | March)]
    assert moving
    # The steps of an FDTD are an estimate: it may have rung down earlier.
    assert moving[-1].fraction is not None
    assert moving[-1].fraction > 0.5
    assert isinstance(events[0], Setup)
    assert isinstance(events[-1], Done)
    assert events[-1].residual is not None
    assert events[-1].tolerance is not None
    assert 0 <= events[-1].residual <= events[-1].tolerance


@pytest.mark.parametrize("name", SOLUTIONS)
def test_solvers_go_on_from_the_checkpoint_on_disk(name: str, tmp_path: Path) -> None:
    """Oracle: a run that had come to its end has nothing left to solve; a block of eddy currents is taken, and told."""
    kept, products = tmp_path / "checkpoint", []
    for _ in range(2):
        events: list[Event] = []
        SOLUTIONS[name](progress=events.append, checkpoint=FolderCheckpoint(kept, "key"))
        products.append(sum(isinstance(e, Iteration) for e in events))
        parts = FolderCheckpoint(kept, "key").parts
        assert parts == tuple(range(len(parts)))
        assert {p.name for p in kept.iterdir()} - {"port-state.npz"} == {f"{running.part_name(n)}.npz" for n in parts}
    assert products[0] > 0
    assert products[1] == (len(parts) if name in ("eddy currents", "currents") else 0)


def test_an_exception_from_the_callback_stops_the_job() -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Iteration | March):
            raise KeyboardInterrupt

    for solve in (*SOLUTIONS.values(), _heat):
        with pytest.raises(KeyboardInterrupt):
            solve(progress=stop)


def test_plans_have_the_same_fields() -> None:
    plans: list[Plan] = [
        em.Vie().plan(EXPOSURE, "cpu"),
        FDTD.plan(EXPOSURE, "cpu"),
        FDTD.plan(LOOP, "cpu"),
        EDDY.plan(METAL, [300.0, 1e3], device="cpu"),
        em.Bioheat().plan(BODY, device="cpu"),
    ]
    for plan in plans:
        assert isinstance(plan, Plan)
        assert plan.bytes > 0
        assert plan.seconds > 0
        assert plan.size > 0
        assert plan.device == "cpu"
        assert str(plan).endswith(
            f" on cpu; about {running.size(plan.bytes)} and {running.duration(plan.seconds)} to solve"
        )
    assert [str(p).split(" on cpu")[0].rsplit(", ", 1)[-1] for p in plans] == [
        "2 ports",
        f"2 runs of about {plans[1].steps} steps",  # type: ignore[attr-defined]
        f"2 runs of about {plans[2].steps} steps",  # type: ignore[attr-defined]
        "2 frequencies",
        "1 source",
    ]


def test_a_plan_in_words() -> None:
    plan = Plan(bytes=3 * 2**30, seconds=7800.0, size=12, device="cuda")
    assert str(plan) == "12 unknowns on cuda; about 3 GiB and 2 h 10 min to solve"
    assert [running.duration(s) for s in (0.1, 89, 120, 5400, 7800)] == [
        "1 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "2 h 10 min",
    ]
    assert [running.size(b) for b in (2**20, 3 * 2**30)] == ["1 MiB", "3 GiB"]
    assert [running.plural(n, "port") for n in (0, 1, 2)] == ["0 ports", "1 port", "2 ports"]


def test_fractions() -> None:
    """Oracle: arithmetic; a Krylov method lowers the logarithm of the residual evenly."""
    step = Iteration(stage="x", step=3)
    assert step.fraction is None
    assert dataclasses.replace(step, steps=4).fraction == 0.75
    assert dataclasses.replace(step, steps=2).fraction == 1.0
    found = [dataclasses.replace(step, residual=r, tolerance=1e-4).fraction for r in (1.0, 1e-2, 1e-4, 1e-9, 0.0)]
    assert found == pytest.approx([0.0, 0.5, 1.0, 1.0, 1.0])
    time = TimeStep(stage="x", step=3, steps=12, residual=1e-9, tolerance=1e-3, energy_dB=-3.0, cells_per_s=1.0)
    assert time.fraction == 0.25
    assert March(stage="heat", time_s=6.0, duration_s=30.0).fraction == pytest.approx(0.2)
    assert (Setup().fraction, Begin(stage="x").fraction, Done().fraction) == (None, None, 1.0)


def test_an_event_as_part_of_a_larger_job() -> None:
    event = March(stage="heat", time_s=6.0, duration_s=30.0, level=2)
    assert event.within("ISO", 1, 3) == dataclasses.replace(event, name="ISO", index=1, count=3)
    assert event.name == ""


def test_events_and_plans_are_frozen() -> None:
    for word in [*WORDS, Event, Plan]:
        assert word.__dataclass_params__.frozen  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [FolderCheckpoint, Memory])
def test_one_checkpoint_protocol(kind: type) -> None:
    """The signatures of whatever keeps arrays are those of the protocol."""
    for name in ("load", "save"):
        wanted, found = (inspect.signature(getattr(c, name)).parameters for c in (Checkpoint, kind))
        assert list(found) == list(wanted)
        hints = [get_type_hints(getattr(c, name)) for c in (Checkpoint, kind)]
        assert hints[0] == hints[1]


def test_groups_of_arrays() -> None:
    """Oracle: what goes in comes out, whatever dots are in the names."""
    one, two = {"a": np.zeros(1), "a.b": np.ones(2)}, {"a": np.full(3, 2.0)}
    both = running.joined(one=one, two=two)
    assert set(both) == {"one.a", "one.a.b", "two.a"}
    for name, arrays in (("one", one), ("two", two), ("three", {})):
        found = running.group(both, name)
        assert list(found) == list(arrays)
        assert all(found[k] is arrays[k] for k in arrays)


@pytest.mark.parametrize(
    ("solver", "options"),
    [(em.Vie, VieOptions), (em.Fdtd, FdtdOptions), (em.EddyCurrent, EddyOptions), (em.Bioheat, BioheatOptions)],
)
def test_every_option_is_documented_where_users_look(solver: type, options: type) -> None:
    names = [f.name for f in dataclasses.fields(solver)]
    assert names == [f.name for f in dataclasses.fields(options)]
    heads = [line.split(" : ")[0] for line in (solver.__doc__ or "").splitlines() if " : " in line]
    assert {n for head in heads for n in head.strip().split(", ")} >= set(names)
    assert solver.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_inversion_and_validation_speak_it_too() -> None:
    events: list[Event] = []
    cases.run(cases.names()[:1], "cpu", events.append)
    assert [type(e) for e in events] == [Begin, Done]
    hints = get_type_hints(Csi.reconstruct)
    assert hints["progress"] == running.ProgressCallback | None
