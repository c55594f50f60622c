"""Samples in threads and processes, against the same ones one after the other."""

import functools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import study_tasks

from emdose.compute import machine
from emdose.errors import InputError
from emdose.scenarios.study.executors import Failure, address_of, executor, resolve

TASKS = [{"seed": k, "scale": 1.0 / (k + 3)} for k in range(7)]


@functools.cache
def by_seed(name: str) -> dict:
    with executor(name) as crew:
        return {task["seed"]: outcome for task, outcome in crew.map(study_tasks.field, TASKS)}


@pytest.mark.parametrize("name", ["threads:3", "processes:2"])
def test_the_same_to_the_last_bit_as_one_after_the_other(name: str) -> None:
    assert by_seed(name).keys() == by_seed("serial").keys()
    for seed, outcome in by_seed(name).items():
        np.testing.assert_array_equal(outcome["field"], by_seed("serial")[seed]["field"])


def test_processes_are_others_and_share_the_cores_and_keep_their_memo() -> None:
    outcomes = by_seed("processes:2").values()
    assert os.getpid() not in {o["process"] for o in outcomes}
    assert len({o["process"] for o in outcomes}) <= 2
    assert {o["threads"] for o in outcomes} == {max(1, machine.thread_count() // 2)}
    assert max(o["seen"] for o in outcomes) >= 4  # seven tasks, two workers


def test_threads_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDOSE_THREADS", "8")
    with executor("threads:4") as crew:
        assert {o["threads"] for _, o in crew.map(study_tasks.field, TASKS)} == {2}
    assert machine.thread_count() == 8


def test_a_killed_process_costs_one_sample_which_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "deaths-3").write_text("1")
    (tmp_path / "deaths-5").write_text("9")
    with executor("processes:2") as crew:
        tasks = [{**task, "folder": str(tmp_path)} for task in TASKS]
        outcomes = {task["seed"]: outcome for task, outcome in crew.map(study_tasks.dies, tasks)}
    assert outcomes.keys() == set(range(7))
    failure = outcomes.pop(5)
    assert isinstance(failure, Failure)
    assert (failure.error, failure.attempts, failure.task["scale"]) == ("WorkerDied", 2, 1 / 8)
    assert "memory" in failure.message
    for seed, outcome in outcomes.items():
        np.testing.assert_array_equal(outcome["field"], by_seed("serial")[seed]["field"])
    assert len({o["process"] for o in outcomes.values()}) > 2  # new ones took over


@pytest.mark.parametrize("name", ["serial", "threads:1", "processes:1"])
def test_a_failed_sample_is_tried_again_with_an_empty_memo_and_then_told(name: str) -> None:
    with executor(name) as crew:
        outcomes = {task["seed"]: outcome for task, outcome in crew.map(study_tasks.refuses, TASKS[:6])}
    failure = outcomes.pop(2)
    assert outcomes == {k: float(k) for k in (0, 1, 3, 4, 5)}  # 4 fails once, for what others left
    assert isinstance(failure, Failure)
    assert (failure.error, failure.attempts) == ("InputError", 2)
    assert failure.message == "phantom: no head; found 2"
    assert "study_tasks.py" in failure.trace
    assert str(failure) == "InputError: phantom: no head; found 2 (tried 2 times)"


def test_tasks_are_drawn_as_needed_and_workers_end_when_nobody_wants_more(tmp_path: Path) -> None:
    drawn = []

    def tasks():
        for k in range(1000):
            drawn.append(k)
            yield {"seed": k, "scale": 1.0, "folder": str(tmp_path)}

    with executor("processes:2") as crew:
        outcomes = crew.map(study_tasks.field, tasks())
        next(outcomes)
        outcomes.close()
        assert len(drawn) <= 4
        ((_, failure),) = crew.map(study_tasks.lambdas, TASKS[:1])  # it can be asked again; what cannot be sent back
        assert isinstance(failure, Failure)
        waiting = crew.map(study_tasks.waits, tasks())
        with pytest.raises(KeyboardInterrupt):
            _interrupt_when(lambda: len(list(tmp_path.glob("*.pid"))) == 2, waiting)
        running = [int(p.stem) for p in tmp_path.glob("*.pid")]
    assert len(running) == 2
    assert not any(psutil.pid_exists(pid) for pid in running)


def _interrupt_when(ready, outcomes) -> None:
    """Ctrl-C while outcomes are waited for."""

    def press() -> None:
        while not ready():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in jobs in the background
    threading.Thread(target=press, daemon=True).start()
    try:
        next(outcomes)
    finally:
        signal.signal(signal.SIGINT, before)
        outcomes.close()


def test_workers_end_with_whoever_started_them(tmp_path: Path) -> None:
    code = f"""
        import study_tasks
        from emdose.scenarios.study.executors import executor
        with executor("processes:1") as crew:
            list(crew.map(study_tasks.waits, [{{"folder": {str(tmp_path)!r}}}]))
    """
    paths = os.pathsep.join([str(Path(study_tasks.__file__).parent), *(p for p in sys.path if p)])
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, "PYTHONPATH": paths})
    _wait(lambda: list(tmp_path.glob("*.pid")))
    parent.kill()
    parent.wait()
    (pid,) = (int(p.stem) for p in tmp_path.glob("*.pid"))
    _wait(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_script_runs_its_own_function_and_one_without_a_guard_is_told(tmp_path: Path) -> None:
    text = """
        from emdose.scenarios.study.executors import executor
        def double(task, memo):
            return 2 * task["x"]
        def study():
            with executor("processes:1") as crew:
                for _, outcome in crew.map(double, [{"x": 21}]):
                    print(outcome)
    """
    script = tmp_path / "my_study.py"
    paths = os.pathsep.join(p for p in sys.path if p)

    def printed(last: str) -> str:
        script.write_text(textwrap.dedent(text) + last, encoding="utf-8")
        return subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert printed("if __name__ == '__main__':\n    study()\n") == "42"
    assert "expected the call of run() below if __name__" in printed("study()\n")


def test_addresses_of_functions() -> None:
    assert resolve(address_of(study_tasks.field)) is study_tasks.field
    assert address_of(executor) == "emdose.scenarios.study.executors.choice:executor"
    for none in (lambda task, memo: 0, functools.partial(study_tasks.field)):
        with pytest.raises(InputError, match="another process cannot find this function"):
            address_of(none)
    with pytest.raises(InputError, match="no such function here"):
        resolve("study_tasks:nothing")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("process", "no such executor; found 'process'.*did you mean 'processes'"),
        ("processes:0", "bad number of processes"),
        ("threads:", "bad number of threads"),
        ("processes:many", "bad number of processes"),
        ("serial:2", "serial has no number"),
        ("dask://", "bad address; found 'dask://'; expected dask://host:port"),
        ("dask://here", "bad address"),
        (4, "bad executor; found 4"),
    ],
)
def test_bad_names_are_one_line(name: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        executor(name)
    assert "\n" not in str(told.value)


def test_a_task_is_plain_data() -> None:
    with executor("serial") as crew, pytest.raises(InputError, match="a task is not plain data"):
        list(crew.map(study_tasks.field, [{"seed": np.zeros(3)}]))


def _wait(ready) -> None:
    end = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)
