"""The imitated device itself. Oracle: what CuPy documents about its arrays, and CuPy where it is installed."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import strict_device
from strict_device import METHODS, DeviceArray, Fft, strict_backend

from emdose.compute import backend, kernel_text

be = strict_backend()
xp = be.xp


def test_refuses_to_mix_with_the_host() -> None:
    a, host = be.asarray(np.arange(4.0)), np.ones(4)
    for attempt in (
        lambda: a + host,
        lambda: host + a,
        lambda: np.asarray(a),
        lambda: xp.where(a > 1, host, 0.0),
        lambda: np.stack([a, host]),
        lambda: xp.stack([host]),
        lambda: np.exp(a, out=host),
        lambda: host.__iadd__(a),
        lambda: a.__setitem__(slice(None), host),
        lambda: range(a[0]),
    ):
        with pytest.raises(TypeError):
            attempt()
    assert type(np.exp(a)) is type(np.stack([a, a])) is type(np.float64(2) * a) is DeviceArray
    assert backend._host(a) is not None


def test_results_stay_on_the_device() -> None:
    a = be.asarray(np.arange(6.0).reshape(2, 3))
    for value in (a.sum(), a[0, 0], xp.vdot(a, a), a.argmax()):
        assert isinstance(value, DeviceArray)
        assert value.shape == ()
    row = a[0]
    row += 1
    assert be.to_numpy(a)[0].tolist() == [1, 2, 3]
    assert float(a.max()) == 5.0
    assert bool((a > 0).any())


def test_transform_of_an_inner_axis_is_a_view() -> None:
    """Oracle: cupy.fft swaps the axis to the end, transforms, and swaps the axes of the result back."""
    values = np.random.default_rng(1).normal(size=(3, 4, 5)) + 0j
    for axes in ((1,), (2,), (1, 2)):
        found = Fft.fftn(be.asarray(values), axes=axes)
        np.testing.assert_allclose(be.to_numpy(found), np.fft.fftn(values, axes=axes), atol=1e-12)
        assert found.flags.c_contiguous == (axes != (1,))


@pytest.mark.parametrize("barrier", ["BARRIER;", ""])
def test_threads_that_do_not_wait_read_what_is_not_there_yet(barrier: str) -> None:
    """Oracle: the next thread's number, which only a barrier lets a thread see."""
    code = (
        kernel_text.common()
        + f"""
KERNEL_BLOCKS(turn, BLOCK_X, {{
    THREADS(x, y) tile[x] = x;
    {barrier}
    THREADS(x, y) out[x] = tile[(x + 1) % BLOCK_X];
}}, real *RESTRICT out)
"""
    )
    module, out = strict_device.RawModule(code=code, options=("--std=c++17", "-Dreal=float")), xp.zeros(64, np.float32)
    module.compile()
    module.get_function("turn")((1, 1, 1), (64, 1, 1), (np.int32(1), np.int32(1), np.int32(1), out))
    right = be.to_numpy(out).tolist() == [(n + 1) % 64 for n in range(64)]
    assert right == bool(barrier)


def test_keywords_and_names_are_those_of_cupy() -> None:
    cupy = strict_device.real_cupy()
    if cupy is None:
        pytest.skip("needs CuPy (no GPU)")
    assert [n for n in METHODS if not hasattr(cupy.ndarray, n)] == []
    assert not hasattr(cupy.ndarray, "__index__")
    for name in (
        "RawModule",
        "get_default_memory_pool",
        "cuda.get_current_stream",
        "cuda.compiler.CompileException",
        "cuda.nvrtc.getVersion",
        "cuda.Stream.begin_capture",
        "cuda.Stream.end_capture",
        "cuda.Graph.launch",
        "cuda.runtime.memGetInfo",
        "cuda.runtime.getDeviceProperties",
    ):
        assert operator.attrgetter(name)(cupy) is not None
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)
    assert str(cupy.cuda.memory.OutOfMemoryError(9000, 8)) == str(xp.cuda.memory.OutOfMemoryError(9000, 8))
    assert cupy.cuda.memory.OutOfMemoryError.__module__ == xp.cuda.memory.OutOfMemoryError.__module__
    with pytest.raises(AttributeError):
        _ = xp.ascontiguousarray_chkfinite
    with pytest.raises(TypeError):
        xp.sum(xp.ones(3), where=xp.ones(3, bool))
    with pytest.raises(TypeError):
        xp.ones(3).sum(initial=1.0)


def test_a_missing_library_is_found_out_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver and CuPy without the CUDA toolkit: "auto" must not take the GPU."""
    cupy = pytest.importorskip("cupy")

    def fails(name: str) -> None:
        raise ImportError("libcufft.so.11: cannot open shared object file")

    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 1)
    monkeypatch.setattr(cupy.cuda.nvrtc, "getVersion", lambda: (12, 9))
    monkeypatch.setattr(backend, "import_module", fails)
    assert "libcufft.so.11" in backend._cuda_trouble.__wrapped__()
    monkeypatch.setattr(backend, "import_module", lambda name: None)
    assert backend._cuda_trouble.__wrapped__() == ""
