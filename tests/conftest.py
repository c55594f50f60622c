"""What runs where: marked tests are skipped where their means are missing."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import fuzzing
import numpy as np
import pytest
from long_files import LONGEST_FILES
from mesh_readers import meshes_read_here  # noqa: F401  # a fixture

from emdose.compute import backend, machine

if importlib.util.find_spec("hypothesis"):
    from hypothesis import HealthCheck, settings

    # No test may fail because the machine is busy.
    settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("no clock")


def pytest_report_header(config: pytest.Config) -> str:
    return f"fuzzing: {fuzzing.cases()} cases each, seeds {fuzzing.FIXED_SEED} and {fuzzing.seed_of_the_day()}"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share a run of several files among processes where pytest-xdist is there and -n does not say otherwise.

    Most of a test is Python on one core. A file stays in one process, so that its fixtures are made once.
    """
    worker = hasattr(config, "workerinput")
    if worker or getattr(config.option, "numprocesses", 0) is not None or not _shared_run(config):
        return
    cores = machine.thread_count()
    processes = min(cores, 4)  # each holds the libraries and its own fields: about 1 GB
    if processes > 1:
        config.option.numprocesses, config.option.dist = processes, "loadfile"
        # Files in the order of collection, which is by their time below; pytest-xdist would order them by their number
        # of tests, and a long solve in a file of its own would be the last one.
        config.option.loadscopereorder = False
        os.environ["OMP_NUM_THREADS"] = str(cores // processes)


def _shared_run(config: pytest.Config) -> bool:
    option = config.option
    alone = option.usepdb or option.capture == "no" or option.collectonly or option.dist != "no"
    # There is one graphics card, and slow tests use the memory and all cores by themselves.
    alone = alone or re.search(r"(?<!not )\b(gpu|slow)\b", option.markexpr) is not None
    files = {argument.partition("::")[0] for argument in config.args}
    return not alone and (len(files) > 1 or not files.pop().endswith(".py"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    no_gpu = backend.available()["cuda"]
    no_nvrtc = "" if _has_nvrtc() else "needs the wheels cupy-cuda12x and nvidia-cuda-nvrtc-cu12"
    # Asked for by -m slow or -m "slow or not slow", or by naming one test on the command line.
    named = any("::" in argument for argument in config.args)
    if hasattr(config, "workerinput"):  # long files first, so that no process is left alone with one at the end
        last = len(LONGEST_FILES)
        rank = {Path(__file__).parent / name: n for n, name in enumerate(LONGEST_FILES)}
        items.sort(key=lambda item: rank.get(item.path, last))
    not_asked = "" if named or "slow" in config.getoption("markexpr") else "slow: run with -m slow"
    for item in items:
        for marker, reason in (("gpu", no_gpu), ("nvrtc", no_nvrtc), ("slow", not_asked)):
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _has_nvrtc() -> bool:
    # The driver is not needed to compile, only CuPy's binding and NVIDIA's compiler library.
    return all(_found(name) for name in ("cupy_backends", "nvidia.cuda_nvrtc"))


def _found(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture(scope="session")
def reference_backend() -> backend.Backend:
    """The CPU with NumPy references instead of compiled kernels."""
    return backend.Backend("cpu", np, backend.ReferenceKernels())
