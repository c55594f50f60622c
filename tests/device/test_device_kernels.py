"""Every kernel through the CUDA backend: the CUDA branch of its text, the blocks, the arguments of the launch."""

from __future__ import annotations

from collections.abc import Mapping

import kernel_exercise as exercise
import numpy as np
import pytest

from emdose.compute import backend

FILAMENTS = 1e-6  # the compiled text takes fewer Gauss points at a distance


class OnDevice:
    """A kernel module that moves what it gets to the device and what it wrote back."""

    def __init__(self, be: backend.Backend, name: str, real: str) -> None:
        self.be, self.module = be, be.kernels.load(exercise.PACKAGES[name], name, real)
        self.signatures, self.kind = self.module.signatures, self.module.kind

    def launch(self, kernel, shape, *args) -> None:
        if isinstance(shape, tuple) and kernel in ("contract", "fit2", "fit4", "gather2", "gather4"):
            shape = (*shape[:2], args[0] if kernel == "contract" else args[0]["size"])  # no strips on a GPU
        if self.module.name == "bioheat" and kernel != "stencil":
            shape *= args[0].get("lanes", 16)  # lines instead of tiles
        moved = [self._moved(a) for a in args]
        self.module.launch(kernel, shape, *moved)
        for p, host, device in zip(self.signatures[kernel].parameters, args, moved, strict=True):
            for f in p.fields or (p,):
                if f.written:
                    to, of = (host[f.name], device[f.name]) if p.fields else (host, device)
                    to[...] = self.be.to_numpy(of)

    def _moved(self, a):
        if isinstance(a, Mapping):
            return {name: self._moved(value) for name, value in a.items()}
        return self.be.asarray(a) if isinstance(a, np.ndarray) else a


@pytest.mark.parametrize("name", sorted(exercise.EXERCISES))
def test_cuda_text_equals_the_cpu_text(name: str, cuda: backend.Backend) -> None:
    """Oracle: the same kernels compiled for the CPU; integers exactly, the rest to rounding."""

    class Loader:
        def load(self, package: str, name: str, real: str) -> OnDevice:
            return OnDevice(cuda, name, real)

    for real in exercise.reals(name):
        found, kind = exercise.run(Loader(), name, real)
        expected, _ = exercise.run(backend.get("cpu").kernels, name, real)
        assert kind == "cuda"
        for key, value in expected.items():
            if value.dtype.kind in "iu":
                np.testing.assert_array_equal(found[key], value, err_msg=key)
                continue
            tolerance = FILAMENTS if name == "filaments" else 2e-12 if value.dtype.itemsize >= 8 else 2e-6
            if value.dtype in (np.float32, np.complex64):
                tolerance = 2e-6
            scale = np.abs(value[np.isfinite(value)]).max()
            np.testing.assert_allclose(found[key], value, rtol=0, atol=tolerance * scale, err_msg=key)


def test_launch_checks_arguments(cuda: backend.Backend) -> None:
    """Python numbers arrive as the kernel's own types; host arrays and wrong types are refused."""
    module, xp = cuda.kernels.load("emdose.compute", "bandwidth", "float"), cuda.xp
    b = xp.ones(5, np.float32)
    a = xp.zeros(5, np.float32)
    module.launch("triad", 5, 2, b, b, a)
    assert cuda.to_numpy(a).tolist() == [3.0] * 5
    module.launch("triad", 5, np.float64(0.5), b, b, a)
    assert cuda.to_numpy(a).tolist() == [1.5] * 5
    with pytest.raises(TypeError, match=r"numpy\.ndarray"):
        module.launch("triad", 5, 2.0, np.ones(5, np.float32), b, a)
    with pytest.raises(TypeError, match="float64"):
        module.launch("triad", 5, 2.0, xp.ones(5), b, a)
    with pytest.raises(ValueError, match="overlap"):
        module.launch("triad", 4, 2.0, a[:4], b[:4], a[1:])
    module.launch("triad", 0, 2.0, xp.zeros(0, np.float32), xp.zeros(0, np.float32), xp.zeros(0, np.float32))


def test_bandwidth_and_description(cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "memory_free_bytes", lambda: 96 * 1000, raising=False)
    assert backend.measure_bandwidth(cuda, repeats=1) > 0
    about = cuda.describe()
    assert about["device"] == "cuda"
    assert "compute_capability" in about
