"""What workers of one study leave for each other. Oracle: products with the operator, with and without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loop_ball import LOOP_BALL

import emdose as em
from emdose.scenarios.loading import from_tables
from emdose.scenarios.study.executors import Executor
from emdose.scenarios.study.executors.local import in_this_process


class Strangers(Executor):
    """Every task in a worker of its own, which knows nothing of the others but by the folder it is told of."""

    name, count = "strangers", 1

    def __init__(self, told: bool) -> None:
        self.told, self.tasks = told, []

    def map(self, function: Any, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for task in tasks:
            self.tasks.append(task)
            mine = task if self.told else {k: v for k, v in task.items() if k != "shared"}
            yield task, in_this_process(function, mine, {})


def study() -> em.Study:
    return em.Study(from_tables(LOOP_BALL, Path("ball.toml"))).vary(
        "phantom.tissues.muscle.conductivity", em.Uniform(relative=0.1)
    )


def test_workers_begin_with_the_solutions_of_others(tmp_path: Path) -> None:
    asked = {"method": "monte-carlo", "runs": 8, "outputs": ["psSAR10g", "absorbed_power", "whole_body_sar"]}
    products, found = {}, {}
    for told in (True, False):
        crew = Strangers(told)
        result = study().run(**asked, executor=crew, out=tmp_path / str(told))
        (note,) = [n for n in result.notes if n.startswith("Samples share")]
        products[told] = float(note.partition(": ")[2].partition(" ")[0])
        found[told] = result.cases[0].Y
        shared = Path(crew.tasks[0]["shared"])
        assert shared.parent == (tmp_path / str(told)).resolve()
        assert not shared.exists()  # the study is done
    assert products[True] < 0.4 * products[False]
    np.testing.assert_allclose(found[True], found[False], rtol=2e-3)


def test_a_study_that_is_stopped_keeps_what_was_shared(tmp_path: Path) -> None:
    def stop(event: Any) -> None:
        if getattr(event, "done", 0) == 3:
            raise KeyboardInterrupt

    asked = {"method": "monte-carlo", "runs": 5, "out": tmp_path / "s"}
    with pytest.raises(KeyboardInterrupt):
        study().run(**asked, executor=Strangers(True), progress=stop)
    assert list((tmp_path / "s" / "shared").rglob("*.vector"))
    result = study().run(**asked, executor=Strangers(True))
    assert (result.samples, result.cached) == (6, 3)
    assert not (tmp_path / "s" / "shared").exists()


def test_one_process_writes_no_vectors(tmp_path: Path) -> None:
    seen = []

    def look(_: Any) -> None:
        seen.append((tmp_path / "s" / "shared").exists())

    study().run(method="monte-carlo", runs=2, out=tmp_path / "s", progress=look)
    assert seen
    assert not any(seen)
