"""The device switch: one small object that says where arrays live and what computes on them.

``get("auto")`` is called once at the door of a solver and the result is passed down. Library code writes ``be.xp`` for
array code, ``be.fftn`` for transforms and ``be.kernels.load(...)`` for stencils and pair sums. This is the only module
that imports CuPy.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, cached_property, wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ParamSpec, TypeVar

import numpy as np

from emdose.compute import kernel_compiler, kernel_loader, machine
from emdose.compute.kernel_loader import CudaModule, Module
from emdose.compute.machine import thread_count
from emdose.errors import DeviceError, EmdoseWarning, ResourceError

DEVICES = ("auto", "cpu", "cuda")
P = ParamSpec("P")
R = TypeVar("R")


class Backend:
    """Where arrays live ("cpu" or "cuda") and the tools that work on them.

    Parameters
    ----------
    name : {"cpu", "cuda"}
        The device.
    xp : module
        numpy or cupy.
    kernels : KernelSet
        Loader of the compiled kernels of this device, see :meth:`KernelSet.load`.
    """

    def __init__(self, name: str, xp: Any, kernels: KernelSet) -> None:
        self.name, self.xp, self.kernels = name, xp, kernels

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"

    @cached_property
    def fft(self) -> Any:
        """``scipy.fft`` or ``cupyx.scipy.fft``."""
        if self.name == "cuda":
            import cupyx.scipy.fft as module
        else:
            import scipy.fft as module
        return module

    @cached_property
    def linalg(self) -> Any:
        """``scipy.linalg`` or ``cupyx.scipy.linalg``."""
        if self.name == "cuda":
            import cupyx.scipy.linalg as module
        else:
            import scipy.linalg as module
        return module

    def fftn(
        self, x: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, overwrite_x: bool = False
    ) -> Any:
        """Discrete Fourier transform, zero-padded or cut to ``s`` along ``axes``, on all threads."""
        return self.fft.fftn(x, s=s, axes=axes, overwrite_x=overwrite_x, **self._workers())

    def ifftn(
        self, x: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, overwrite_x: bool = False
    ) -> Any:
        """Inverse of :meth:`fftn`."""
        return self.fft.ifftn(x, s=s, axes=axes, overwrite_x=overwrite_x, **self._workers())

    def _workers(self) -> dict[str, int]:
        return {"workers": thread_count()} if self.name == "cpu" else {}

    def asarray(self, x: Any, dtype: Any = None) -> Any:
        """``x`` as an array of this device; copies only when device or dtype differ."""
        if self.name == "cpu":
            return np.asarray(_host(x), dtype=dtype)
        return self.xp.asarray(x, dtype=dtype)

    def to_numpy(self, x: Any) -> np.ndarray:
        """``x`` as a NumPy array on the host."""
        return np.asarray(_host(x))

    def synchronize(self) -> None:
        """Wait until everything queued on the device is done."""
        if self.name == "cuda":
            self.xp.cuda.get_current_stream().synchronize()

    def recorded(self, work: Callable[[], None]) -> Recorded:
        """Work to be done many times, where a device can do it without being told every launch again.

        Parameters
        ----------
        work : callable
            Launches kernels that :meth:`~emdose.compute.kernel_loader.Module.prepare` returned, and nothing else: it
            neither makes arrays nor brings any to the host. What changes from time to time it finds in arrays.

        Returns
        -------
        Recorded
            Its ``launch()`` does the work. On a GPU the second launch captures a CUDA graph, which is replayed from
            then on; where that is refused, launches go on one by one, with one warning.
        """
        return _Graph(work, self.xp) if self.name == "cuda" else Recorded(work)

    def memory_total_bytes(self) -> int:
        """Memory of the device or machine, or what this process is allowed of it [bytes]."""
        if self.name == "cuda":
            return int(self.xp.cuda.runtime.memGetInfo()[1])
        import psutil

        limit, _ = machine.memory_limit()
        return min(int(psutil.virtual_memory().total), limit)

    def memory_free_bytes(self) -> int:
        """Memory that a new job may use now [bytes]."""
        if self.name == "cuda":
            pool = self.xp.get_default_memory_pool()
            return int(self.xp.cuda.runtime.memGetInfo()[0]) + int(pool.free_bytes())
        return machine.free_memory_bytes()

    def describe(self) -> dict[str, Any]:
        """What was found: device, its name, threads, memory in bytes, who compiles the kernels."""
        about: dict[str, Any] = {"device": self.name, "name": _processor(), "threads": thread_count()}
        if self.name == "cuda":
            properties = self.xp.cuda.runtime.getDeviceProperties(self.xp.cuda.runtime.getDevice())
            label = properties["name"]
            about["name"] = label.decode() if isinstance(label, bytes) else str(label)
            about["compute_capability"] = f"{properties['major']}.{properties['minor']}"
            about["cupy"] = self.xp.__version__
            del about["threads"]
        return about | {
            "memory_total_bytes": self.memory_total_bytes(),
            "memory_free_bytes": self.memory_free_bytes(),
            "kernels": self.kernels.description(),
        }


class Recorded:
    """Work that is launched many times, see :meth:`Backend.recorded`; this base class just does it.

    Parameters
    ----------
    work : callable
        The work.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work

    def launch(self) -> None:
        """Do the work, or queue it on the device."""
        self._work()


class _Graph(Recorded):
    """Work as a CUDA graph. It holds the addresses of arrays; the arrays are held by the work."""

    def __init__(self, work: Callable[[], None], cupy: Any) -> None:
        super().__init__(work)
        self._cupy, self._graph, self._plain = cupy, None, 1

    def launch(self) -> None:
        """Replay the graph; the first launch runs the work as it is, which loads its kernels, the second captures."""
        if self._graph is not None:
            self._graph.launch()
        elif self._plain:
            self._plain -= 1
            self._work()
        else:
            try:
                graph = self._captured()
                graph.launch()
                self._graph = graph
            except (RuntimeError, AttributeError) as error:  # CuPy's errors of driver and runtime; a CuPy too old
                _warn_of_graphs(f"{type(error).__name__}: {' '.join(str(error).split())}")
                self._plain = 2**62
                self.launch()

    def _captured(self) -> Any:
        # The default stream cannot be captured; nothing runs before the graph is launched, on whatever stream.
        stream = self._cupy.cuda.Stream(non_blocking=True)
        with stream:
            stream.begin_capture()
            try:
                self._work()
            except BaseException:
                with suppress(RuntimeError):
                    stream.end_capture()
                raise
            return stream.end_capture()


class KernelSet:
    """Kernels of one device; this base class compiles for the CPU and falls back to NumPy."""

    def load(self, package: str | None, name: str, real: str = "float") -> Module:
        """Compile (or take from the cache) the text ``kernels/<name>.cuh`` of a package.

        Parameters
        ----------
        package : str
            The package that asks, ``__package__``.
        name : str
            File name without ``.cuh``.
        real : {"float", "double"}
            What ``real`` and ``creal`` mean in the text: float32/complex64 or float64/complex128.

        Returns
        -------
        Module
            With ``launch(kernel, shape, *args)``; see :mod:`emdose.compute.kernel_loader` for the rules of the text.
        """
        return kernel_loader.load_c(str(package), name, real)

    def description(self) -> str:
        """Who compiles."""
        found = kernel_compiler.compiler()
        return f"{found.path} ({found.version})" if found else "none: NumPy runs instead of compiled kernels"


class ReferenceKernels(KernelSet):
    """The NumPy references, as used where there is no compiler; also their oracle role in tests."""

    def load(self, package: str | None, name: str, real: str = "float") -> Module:
        """The NumPy reference of a kernel file."""
        return kernel_loader.load_reference(str(package), name, real)

    def description(self) -> str:
        """Who compiles: nobody."""
        return "NumPy references"


class CudaKernels(KernelSet):
    """Kernels compiled by NVRTC through CuPy."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._loaded: dict[tuple[str, str, str], Module] = {}

    def load(self, package: str | None, name: str, real: str = "float") -> Module:
        """Compile a kernel file for the current device."""
        key = str(package), name, real
        if key not in self._loaded:
            self._loaded[key] = CudaModule(*key, self._cupy)
        return self._loaded[key]

    def description(self) -> str:
        """Who compiles."""
        return f"NVRTC {'.'.join(map(str, self._cupy.cuda.nvrtc.getVersion()))} (CuPy {self._cupy.__version__})"


def get(device: str | Backend = "auto") -> Backend:
    """The backend of a device.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"} or Backend
        "auto" is what the environment variable EMDOSE_DEVICE says, else the GPU where CuPy finds one, else the CPU.
        A Backend is returned as it is.

    Raises
    ------
    DeviceError
        For an unknown name, or for "cuda" where CuPy or a GPU is missing.
    """
    if isinstance(device, Backend):
        return device
    wanted, origin = device, "device"
    if device == "auto":
        wanted, origin = os.environ.get("EMDOSE_DEVICE", "").strip().lower() or "auto", "EMDOSE_DEVICE"
    if wanted not in DEVICES:
        raise DeviceError(f"{origin}: unknown device '{wanted}'; expected one of {', '.join(DEVICES)}")
    if wanted == "cpu":
        return _cpu()
    trouble = _cuda_trouble()
    if not trouble:
        return _cuda()
    if wanted == "cuda":
        raise DeviceError(f"{origin}: cuda is not available: {trouble}")
    return _cpu()


def of(array: Any) -> Backend:
    """The backend of the device on which an array lives, or from which an error comes."""
    return _cuda() if type(array).__module__.partition(".")[0] == "cupy" else _cpu()


def available() -> dict[str, str]:
    """Every device name with an empty string where it can be used, else the reason why not."""
    return {"cpu": "", "cuda": _cuda_trouble()}


def within_memory(remedy: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator of a solver: where memory ends in the middle of it after all, say so in one line.

    Parameters
    ----------
    remedy : str
        What makes the job smaller, as in "use ...".

    Raises
    ------
    ResourceError
        In place of MemoryError, CuPy's included; offers the CPU where a GPU's memory was used up.
    """

    def decorate(solve: Callable[P, R]) -> Callable[P, R]:
        @wraps(solve)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return solve(*args, **kwargs)
            except MemoryError as error:
                be = of(error)
                elsewhere = 'device="cpu", which is slower, or ' if be.name == "cuda" else ""
                raise ResourceError(
                    f"out of memory on {be.name} with {be.memory_total_bytes() / 2**30:.3g} GiB in all "
                    f"({' '.join(str(error).split()) or type(error).__name__}): use {elsewhere}{remedy}"
                ) from error

        return run

    return decorate


def measure_bandwidth(be: Backend, repeats: int = 5) -> float:
    """Memory bandwidth of the kernel a = b + s c on float64 arrays, best of ``repeats`` [bytes/s].

    Counted are the 24 bytes that the kernel names per element (two reads, one write); a CPU that fetches a line before
    it writes it moves a third more than that. The arrays take 768 MiB (3 GiB on a GPU), or a quarter of the free memory
    where that is less, so that they do not fit a cache.
    """
    n = min(2**27 if be.name == "cuda" else 2**25, be.memory_free_bytes() // (4 * 24))
    a, b, c = be.xp.zeros(n), be.xp.full(n, 1.0), be.xp.full(n, 2.0)
    module = be.kernels.load(__package__, "bandwidth", real="double")
    best = float("inf")
    for _ in range(repeats + 1):  # one more: the first one loads code and touches pages
        be.synchronize()
        start = time.perf_counter()
        module.launch("triad", n, 3.0, b, c, a)
        be.synchronize()
        best = min(best, time.perf_counter() - start)
    return 24 * n / best


@cache
def _cpu() -> Backend:
    return Backend("cpu", np, KernelSet())


@cache
def _cuda() -> Backend:
    import cupy

    return Backend("cuda", cupy, CudaKernels(cupy))


@cache
def _cuda_trouble() -> str:
    """Why CUDA cannot be used; empty where it can."""
    if find_spec("cupy") is None:
        return "CuPy is not installed; install emdose[cuda12] or emdose[cuda13]"
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy raises its own types, and ImportError or OSError for missing libraries
        return f"CuPy finds no usable GPU or driver ({' '.join(str(error).split())})"
    if not count:
        return "CuPy finds no GPU"
    try:
        # CuPy loads these when first asked for them, which would be in the middle of a computation.
        cupy.cuda.nvrtc.getVersion()
        for library in ("cupy_backends.cuda.libs.cublas", "cupy.cuda.cufft"):
            import_module(library)
    except Exception as error:
        return (
            f"a library of the CUDA toolkit is missing ({' '.join(str(error).split())}); "
            "install emdose[cuda12] or emdose[cuda13], which bring it"
        )
    return ""


@cache
def _warn_of_graphs(reason: str) -> None:
    text = f"CUDA graphs are refused ({reason}); kernels are launched one by one, which is slower on small grids"
    warnings.warn(text, EmdoseWarning, stacklevel=4)


def _host(x: Any) -> Any:
    return x.get() if type(x).__module__.partition(".")[0] == "cupy" else x


def _processor() -> str:
    for line in machine.system_text("/proc/cpuinfo").splitlines():
        if line.lower().startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
