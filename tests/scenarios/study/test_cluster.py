"""Samples on a real Dask scheduler and workers on the loopback, one of which is killed, against the same ones here."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import study_tasks

from emdose.errors import DeviceError, InputError
from emdose.scenarios.study.executors import Failure, cluster, executor
from emdose.scenarios.study.executors.calls import Reply
from emdose.scenarios.study.executors.cluster import Cluster

distributed = pytest.importorskip("distributed")
CONNECT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}
TASKS = [{"seed": k, "scale": 1.0 / (k + 3)} for k in range(12)]


class Machines:
    """A scheduler and its workers, as processes."""

    def __init__(self, folder: Path) -> None:
        self.file, self.folder = folder / "scheduler.json", folder
        self.processes: list[subprocess.Popen] = []
        self.start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file))
        self.wait(lambda: self.file.exists() and self.file.read_text())
        self.address = json.loads(self.file.read_text())["address"].removeprefix("tcp://")

    def start(self, *arguments: str, paths: str | None = None) -> subprocess.Popen:
        here = [str(Path(study_tasks.__file__).parent), *(p for p in sys.path if p)]
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1"],
                # A worker that was killed answers nobody: the scheduler asks it for 30 s unless it is told otherwise.
                env={**os.environ, **CONNECT, "PYTHONPATH": os.pathsep.join(here) if paths is None else paths},
                cwd=self.folder,
                stderr=subprocess.DEVNULL,
            )
        )
        return self.processes[-1]

    def worker(self, paths: str | None = None) -> subprocess.Popen:
        arguments = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--scheduler-file", str(self.file))
        return self.start("worker", *arguments, paths=paths)

    def kill_scheduler_when(self, pattern: str) -> None:
        self.wait(lambda: list(self.folder.glob(pattern)))
        self.processes[0].send_signal(signal.SIGKILL)

    def wait(self, ready) -> None:
        end = time.monotonic() + 300
        while not ready():
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    machines = Machines(tmp_path_factory.mktemp("cluster"))
    try:
        yield machines
    finally:
        for process in machines.processes:
            process.kill()
        for process in machines.processes:
            process.wait()


def test_a_scheduler_without_workers_is_one_line(machines: Machines) -> None:
    with pytest.raises(InputError, match=r"^executor: the scheduler has no workers; found 'dask://.*'") as told:
        Cluster(machines.address, timeout_s=1.0).__enter__()
    assert "\n" not in str(told.value)


def test_a_worker_killed_in_mid_study_costs_one_sample(machines: Machines, tmp_path: Path) -> None:
    for _ in range(3):
        machines.worker()
    with Cluster(machines.address, timeout_s=300.0) as cluster:
        machines.wait(lambda: cluster.count == 3)
        (tmp_path / "deaths-4").write_text("1")
        tasks = [{**task, "folder": str(tmp_path)} for task in TASKS]
        outcomes = {task["seed"]: outcome for task, outcome in cluster.map(study_tasks.dies, tasks)}
        machines.wait(lambda: cluster.count == 2)
        with executor("serial") as here:
            for task, outcome in here.map(study_tasks.field, TASKS):
                np.testing.assert_array_equal(outcomes[task["seed"]]["field"], outcome["field"])
        assert len({o["process"] for o in outcomes.values()}) <= 3
        assert max(o["seen"] for o in outcomes.values()) >= 4  # two or three workers, each with its memo

        # A failed sample is tried again with an empty memo, and then told.
        outcomes = {task["seed"]: outcome for task, outcome in cluster.map(study_tasks.refuses, TASKS[:6])}
        failure = outcomes.pop(2)
        assert outcomes == {k: float(k) for k in (0, 1, 3, 4, 5)}
        assert isinstance(failure, Failure)
        assert (failure.attempts, failure.message) == (2, "phantom: no head; found 2")

        # What a worker cannot find, or reads otherwise, is told before anything is computed.
        with pytest.raises(InputError, match=r"a worker cannot read this file.*nowhere.nii"):
            cluster.require_files({str(tmp_path / "nowhere.nii"): "0" * 64})


def test_workers_with_another_emdose_or_none_are_one_line(machines: Machines, tmp_path: Path) -> None:
    for name, text in (("old", ""), ("none", "raise ModuleNotFoundError('No module named emdose')")):
        package = tmp_path / name / "emdose"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(text)
        (package / "version.py").write_text("__version__ = '0.0.9'")
    strangers = [machines.worker(paths=str(tmp_path / name)) for name in ("old", "none")]
    with Cluster(machines.address, timeout_s=300.0) as cluster:
        machines.wait(lambda: cluster.count == 4)
    with pytest.raises(InputError, match=r"^executor: 2 of 4 workers cannot take part") as told:
        executor(f"dask://{machines.address}").__enter__()
    for words in ("emdose 0.0.9 on tcp://", "no emdose on tcp://", "as here"):
        assert words in str(told.value)
    for process in strangers:
        process.kill()


def test_a_worker_that_is_lost_while_all_are_asked_is_passed_over() -> None:
    """Oracle: what a client says of a worker whose connection has closed, between two that answer."""

    class Client:
        def run(self, function, *given, on_error):
            assert on_error == "return"
            lost = distributed.comm.CommClosedError("lost")
            return {"a": function(*given), "b": lost, "c": ZeroDivisionError() if given[0] else function(*given)}

    assert cluster._answers(Client(), abs, 0) == {"a": 0, "c": 0}
    assert set(cluster._answers(Client(), abs, 1, strict=False)) == {"a", "c"}
    with pytest.raises(ZeroDivisionError):
        cluster._answers(Client(), abs, 1)


def test_an_answer_that_is_lost_with_its_worker_is_waited_for() -> None:
    """A worker may die between its answer and the fetching of it: the scheduler has it computed again."""

    class Future:
        def __init__(self, key, states):
            self.key, self.states, self.status = key, states, states[0]

        def add_done_callback(self, put):
            self.status = self.states.pop(0)
            put(self)

        def result(self, timeout):
            if self.states:
                self.status = "lost"
                raise TimeoutError
            return Reply(outcome=self.key)

        def release(self):
            pass

    class Client:
        def __init__(self):
            self.left = [["lost", "finished"], ["finished", "finished"], ["finished"]]

        def run(self, function, *given, on_error):
            return {"a": function(*given)}

        def nthreads(self):
            return {"a": 1}

        def submit(self, function, *told, pure):
            return Future(len(self.left), self.left.pop())

        def cancel(self, futures, force):
            assert not futures

    one = Cluster("nowhere:1")
    one._client = Client()
    assert [outcome for _, outcome in one.map(study_tasks.field, TASKS[:3])] == [3, 2, 1]


def test_a_scheduler_that_goes_away_is_one_line_and_one_that_is_not_there_too(machines: Machines) -> None:
    with Cluster(machines.address, timeout_s=60.0) as cluster:
        outcomes = cluster.map(study_tasks.waits, [{**task, "folder": str(machines.folder)} for task in TASKS])
        killer = threading.Thread(target=machines.kill_scheduler_when, args=("*.pid",))
        killer.start()
        with pytest.raises(DeviceError, match=r"the Dask scheduler at .* has gone"):
            next(outcomes)
        killer.join()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(InputError, match=r"no Dask scheduler answers there; found 'dask://127.0.0.1:.*") as told:
        Cluster(address, timeout_s=1.0).__enter__()
    assert "\n" not in str(told.value)
    assert time.monotonic() - start < 30
