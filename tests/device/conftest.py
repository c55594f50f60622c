"""The backend "cuda": imitated, and the GPU itself where there is one."""

from __future__ import annotations

import pytest
from strict_device import strict_backend

from emdose.compute import backend

_imitated = strict_backend()


@pytest.fixture(params=["imitated", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> backend.Backend:
    """What ``backend.get("cuda")`` returns for the time of a test."""
    if request.param == "imitated":
        monkeypatch.setattr(backend, "_cuda", lambda: _imitated)
        monkeypatch.setattr(backend, "_cuda_trouble", lambda: "")
    return backend.get("cuda")
