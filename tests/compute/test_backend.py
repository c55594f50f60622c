"""The device switch. Oracles: NumPy, the operating system, and what the text of an error must name."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from emdose import resources
from emdose.compute import backend, machine
from emdose.errors import DeviceError, InputError


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch):
    """A machine without CuPy."""
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    backend._cuda_trouble.cache_clear()
    yield
    backend._cuda_trouble.cache_clear()


def test_cpu_is_one_object_and_auto_falls_back_to_it(no_cupy, monkeypatch) -> None:
    monkeypatch.delenv("EMDOSE_DEVICE", raising=False)
    be = backend.get("cpu")
    assert be is backend.get("cpu") is backend.get("auto") is backend.get(be)
    assert (be.name, be.xp) == ("cpu", np)


def test_cuda_without_cupy_names_the_extra(no_cupy) -> None:
    with pytest.raises(DeviceError, match=r"emdose\[cuda12\]"):
        backend.get("cuda")
    assert backend.available()["cuda"]


def test_environment_overrides_auto_only(no_cupy, monkeypatch) -> None:
    monkeypatch.setenv("EMDOSE_DEVICE", "CPU")
    assert backend.get("auto").name == "cpu"
    monkeypatch.setenv("EMDOSE_DEVICE", "cuda")
    assert backend.get("cpu").name == "cpu"
    with pytest.raises(DeviceError, match="EMDOSE_DEVICE"):
        backend.get("auto")
    monkeypatch.setenv("EMDOSE_DEVICE", "tpu")
    with pytest.raises(DeviceError, match=r"EMDOSE_DEVICE.*'tpu'.*auto, cpu, cuda"):
        backend.get("auto")


@pytest.mark.parametrize("name", ["gpu", "", "CUDA:0"])
def test_unknown_device(name: str) -> None:
    with pytest.raises(DeviceError, match="unknown device"):
        backend.get(name)


def test_array_decides_the_device() -> None:
    assert backend.of(np.zeros(3)).name == "cpu"
    assert backend.of([1.0]).name == "cpu"


def test_arrays_keep_or_change_their_type() -> None:
    be, a = backend.get("cpu"), np.arange(4.0)
    assert be.asarray(a) is a
    assert be.to_numpy(a) is a
    assert be.asarray([1, 2], np.float32).dtype == np.float32
    be.synchronize()


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_fft_against_numpy(dtype) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2, 5, 6, 7)) + 1j * rng.normal(size=(2, 5, 6, 7))).astype(dtype)
    be = backend.get("cpu")
    y = be.fftn(x, s=(8, 9, 10), axes=(1, 2, 3))
    assert y.dtype == dtype
    tolerance = 50 * np.finfo(dtype).eps * np.abs(y).max()
    np.testing.assert_allclose(y, np.fft.fftn(x, s=(8, 9, 10), axes=(1, 2, 3)), rtol=0, atol=tolerance)
    np.testing.assert_allclose(be.ifftn(y, axes=(1, 2, 3))[:, :5, :6, :7], x, rtol=0, atol=tolerance)


def test_threads_follow_the_environment(monkeypatch) -> None:
    monkeypatch.delenv("EMDOSE_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert 1 <= machine.thread_count() <= (os.cpu_count() or 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert machine.thread_count() == 3
    monkeypatch.setenv("EMDOSE_THREADS", "5")
    assert machine.thread_count() == 5
    for bad in ("0", "many", "-1", "1000000", "²", "9" * 5000):
        monkeypatch.setenv("EMDOSE_THREADS", bad)
        with pytest.raises(InputError, match="EMDOSE_THREADS"):
            machine.thread_count()


def test_description_says_what_was_found() -> None:
    about = backend.get("cpu").describe()
    assert {"device", "name", "threads", "memory_total_bytes", "memory_free_bytes", "kernels"} <= about.keys()
    assert 0 < about["memory_free_bytes"] <= about["memory_total_bytes"]


def test_memory_limit_of_a_container(monkeypatch) -> None:
    """Oracle: the numbers written in the control group's files; files that are only cached count as free."""
    files = {"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "anon 300\ninactive_file 250\n"}
    monkeypatch.setattr(machine, "system_text", lambda path: files[path.rpartition("/")[2]])
    be = backend.get("cpu")
    assert be.memory_total_bytes() == 1000
    assert be.memory_free_bytes() == 1000 - (700 - 250)


def test_bandwidth_is_that_of_a_computer(monkeypatch) -> None:
    """Oracle: no machine that runs this moves less than 0.1 or more than 10 000 GB/s."""
    be = backend.get("cpu")
    monkeypatch.setattr(be, "memory_free_bytes", lambda: 96 * 2**20, raising=False)
    assert 1e8 < backend.measure_bandwidth(be, repeats=2) < 1e13


def test_import_needs_neither_cupy_nor_scipy() -> None:
    code = "import sys, emdose.compute.backend; print([m for m in ('cupy', 'scipy', 'psutil') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_rows_of_shipped_tables_skip_comments(monkeypatch) -> None:
    lines = '# source\n"# a comment, quoted"\n\nname,value\na,1\n"b, c",2\n# end\n'
    monkeypatch.setattr(resources, "text", lambda name: lines)
    assert resources.csv_rows("x.csv") == [{"name": "a", "value": "1"}, {"name": "b, c", "value": "2"}]


def test_missing_package_data() -> None:
    with pytest.raises(FileNotFoundError):
        resources.text("no_such_file.csv")


@pytest.mark.gpu
def test_gpu_round_trip_and_bandwidth() -> None:
    be = backend.get("cuda")
    x = be.asarray(np.arange(5.0))
    assert backend.of(x) is be
    np.testing.assert_array_equal(be.to_numpy(x), np.arange(5.0))
    assert backend.measure_bandwidth(be, repeats=2) > 1e9
    assert be.describe()["compute_capability"]
