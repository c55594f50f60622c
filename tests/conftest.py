"""What runs where: marked tests are skipped where their means are missing."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from emdose import backend


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    no_gpu = backend.available()["cuda"]
    no_nvrtc = "" if _has_nvrtc() else "needs the wheels cupy-cuda12x and nvidia-cuda-nvrtc-cu12"
    # Asked for by -m slow or -m "slow or not slow", or by naming one test on the command line.
    named = any("::" in argument for argument in config.args)
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
def twin_backend() -> backend.Backend:
    """The CPU with NumPy twins instead of compiled kernels."""
    return backend.Backend("cpu", np, backend.TwinKernels())
