"""A CUDA device for machines without one: CuPy's rules about arrays, and kernels compiled from their CUDA text.

:class:`DeviceArray` is a NumPy array that behaves like ``cupy.ndarray``: it refuses to become a NumPy array unless
asked by ``get()``, to meet one in an operation, and to be an index; reductions and elements are arrays of no axes.
:class:`Module` is a module with the functions that CuPy has, called with the keywords that CuPy takes (both checked
against CuPy where it is installed). :class:`RawModule` compiles the CUDA branch of a kernel text with a C++ compiler
and walks its grid of blocks, with arguments read by the types of the kernel's parameters as a driver does; threads that
share memory run one after the other from barrier to barrier. FFTs return the memory layout of cupyx.scipy.fft.

What it cannot show: races between threads, limits of registers, time, rounding by fused multiply-add, and whatever of
CuPy is not imitated here.
"""

from __future__ import annotations

import ctypes
import inspect
import math
import operator
import subprocess
import types
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.linalg

from emdose.compute import backend, kernel_compiler, kernel_text

_REDUCE = frozenset({"axis", "out", "keepdims"})
METHODS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("any", "all", "min", "max"), _REDUCE),
    **dict.fromkeys(("argmin", "argmax", "sum", "prod", "mean"), _REDUCE | {"dtype"}),
    **dict.fromkeys(("std", "var"), _REDUCE | {"dtype", "ddof"}),
    **dict.fromkeys(("cumsum", "cumprod"), frozenset({"axis", "dtype", "out"})),
    **dict.fromkeys(("conj", "conjugate", "nonzero", "tolist", "transpose", "swapaxes", "fill"), frozenset()),
    **dict.fromkeys(("reshape", "ravel", "flatten", "copy"), frozenset({"order"})),
    "astype": frozenset({"dtype", "order", "casting", "subok", "copy"}),
    "clip": frozenset({"min", "max", "out"}),
    "squeeze": frozenset({"axis"}),
    "repeat": frozenset({"axis"}),
    "take": frozenset({"axis", "out"}),
    "view": frozenset({"dtype"}),
}
"""Methods of cupy.ndarray and their keywords."""

PLAIN = frozenset({"shape", "ndim", "size", "dtype", "nbytes", "itemsize", "strides", "flags"})
CREATE = frozenset({"zeros", "ones", "empty", "full", "arange", "linspace", "eye", "array", "asarray", "fftfreq"})
FROM_HOST = frozenset({"array", "asarray", "asnumpy", "result_type"})
OPEN_KEYWORDS = {"pad": {"constant_values"}, "meshgrid": {"indexing", "sparse", "copy"}, "einsum": {"optimize"}}
"""What functions with **kwargs take."""
JOIN = frozenset({"concatenate", "stack", "vstack", "hstack"})


@cache
def real_cupy() -> Any:
    """CuPy where it is installed; no GPU is needed to ask what it has."""
    try:
        import cupy
    except ImportError:
        return None
    return cupy


def _host(x: Any) -> Any:
    """An argument of an operation as NumPy takes it; TypeError for what CuPy refuses."""
    if isinstance(x, DeviceArray):
        return x._array
    if isinstance(x, (bool, int, float, complex, np.generic)):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def _unwrap(x: Any) -> Any:
    """An argument of a function, also inside sequences."""
    if isinstance(x, DeviceArray):
        return x._array
    if isinstance(x, np.ndarray):
        raise TypeError(f"a NumPy array {x.shape} was passed to a function of the device")
    if isinstance(x, (tuple, list)):
        return type(x)(_unwrap(v) for v in x)
    return x


def _wrap(x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic)):
        return DeviceArray(np.asarray(x))
    if isinstance(x, tuple):  # named ones, such as the result of qr, too
        return tuple(_wrap(v) for v in x)
    return [_wrap(v) for v in x] if type(x) is list else x


def _holds(x: Any) -> bool:
    return isinstance(x, DeviceArray) or (isinstance(x, (tuple, list)) and any(map(_holds, x)))


class CaptureError(RuntimeError):
    """What a stream does not do while it is captured."""


class Graph:
    """Launches that were taken down, with weak references to the memory they name."""

    def __init__(self) -> None:
        self.launches: list[tuple[Callable[[], None], list[weakref.ref]]] = []

    def add(self, run: Callable[[], None], arrays: list[np.ndarray]) -> None:
        self.launches.append((run, [weakref.ref(_memory(a)) for a in arrays]))

    def launch(self, stream: Any = None) -> None:
        _not_while_capturing("a graph is launched")
        for run, memory in self.launches:
            if any(m() is None for m in memory):
                raise CaptureError("a graph uses an array that is gone")
            run()


def _memory(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


_asked: dict[int, weakref.ref] = {}
"""Memory by the addresses that somebody asked for, as those in structs are."""


def _at(address: int) -> np.ndarray:
    """The memory that an address was asked of."""
    memory = _asked[address]() if address in _asked else None
    if memory is None:
        raise CaptureError("a struct names an array that is gone")
    return memory


class Stream:
    """A stream; the current one may be captured unless it is the default one."""

    current: Stream
    graph: Graph | None = None

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        self.null, self.before = null, None

    def __enter__(self) -> Stream:
        self.before, Stream.current = Stream.current, self
        return self

    def __exit__(self, *args: object) -> None:
        assert self.before is not None
        Stream.current = self.before

    def synchronize(self) -> None:
        _not_while_capturing("something waits")

    def begin_capture(self, mode: int | None = None) -> None:
        if self.null or self.graph is not None:
            raise CaptureError("cudaErrorStreamCaptureUnsupported")
        self.graph = Graph()

    def end_capture(self) -> Graph:
        if self.graph is None:
            raise CaptureError("cudaErrorIllegalState")
        graph, self.graph = self.graph, None
        return graph


Stream.current = Stream(null=True)


def _not_while_capturing(what: str) -> None:
    if Stream.current.graph is not None:
        raise CaptureError(f"{what} while a stream is captured")


class DeviceArray:
    """An array that only a device may touch."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: np.ndarray) -> None:
        if array.base is None:
            _not_while_capturing("an array is made")
        self._array = array

    # ---- what leaves the device ---------------------------------------------------------------------------------
    def get(self) -> np.ndarray:
        _not_while_capturing("an array is brought to the host")
        return self._array.copy()

    def item(self) -> Any:
        return self.get().item()

    def _scalar(self) -> Any:
        if self.ndim:
            raise TypeError("only arrays without axes become Python numbers")
        return self.get()[()]

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def __bool__(self) -> bool:
        return bool(self.get())

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
            "array explicitly."
        )

    def __repr__(self) -> str:
        return f"device {self._array!r}"

    def __format__(self, spec: str) -> str:
        return format(self._array, spec)

    # ---- numpy functions called on it ---------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        return getattr(xp, ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        module: Any = xp
        try:
            for name in func.__module__.split(".")[1:]:
                module = getattr(module, name)
            function = getattr(module, func.__name__)
        except AttributeError:
            return NotImplemented
        if not all(issubclass(t, (DeviceArray, np.ndarray)) for t in types):
            return NotImplemented
        return function(*args, **kwargs)

    # ---- attributes ---------------------------------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        if name in PLAIN:
            return getattr(self._array, name)
        if name not in METHODS:
            raise AttributeError(f"cupy.ndarray has no attribute {name!r}, or the device of the tests lacks it")

        def method(*args: Any, **kwargs: Any) -> Any:
            if not kwargs.keys() <= METHODS[name]:
                raise TypeError(f"cupy.ndarray.{name} takes no {sorted(kwargs.keys() - METHODS[name])}")
            if "out" in kwargs and not isinstance(kwargs["out"], (DeviceArray, type(None))):
                raise TypeError("out must be an array of the device")
            kwargs = {k: _unwrap(v) for k, v in kwargs.items()}
            return _wrap(getattr(self._array, name)(*map(_unwrap, args), **kwargs))

        return method

    @property
    def data(self) -> Any:
        address = self._array.ctypes.data
        _asked[address] = weakref.ref(_memory(self._array))
        return types.SimpleNamespace(ptr=address)

    @property
    def T(self) -> DeviceArray:
        return DeviceArray(self._array.T)

    @property
    def real(self) -> DeviceArray:
        return DeviceArray(self._array.real)

    @property
    def imag(self) -> DeviceArray:
        return DeviceArray(self._array.imag)

    # ---- elements -----------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[DeviceArray]:
        return (self[i] for i in range(len(self)))

    def _key(self, key: Any) -> tuple[Any, ...]:
        parts = key if isinstance(key, tuple) else (key,)
        plain = tuple(p._array if isinstance(p, DeviceArray) else p for p in parts)
        if sum(isinstance(p, np.ndarray) and p.dtype == bool for p in plain) > 1:
            raise IndexError("more than one mask in an index")
        # The Ellipsis keeps an element an array of no axes.
        return plain if any(p is Ellipsis for p in plain) else (*plain, Ellipsis)

    def __getitem__(self, key: Any) -> DeviceArray:
        return DeviceArray(self._array[self._key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        _not_while_capturing("elements are set")
        self._array[self._key(key)] = _host(value)


def _operators(name: str) -> dict[str, Callable]:
    f = getattr(operator, {"and": "and_", "or": "or_"}.get(name, name))
    changed = getattr(operator, f"i{name}")

    def in_place(a: Any, b: Any) -> Any:
        # With the Ellipsis arrays without axes stay arrays, and the result is cast or refused as by out=.
        _not_while_capturing("an array is changed")
        changed(a._array[...], _host(b))
        return a

    return {
        f"__{name}__": lambda a, b: _wrap(f(a._array, _host(b))),
        f"__r{name}__": lambda a, b: _wrap(f(_host(b), a._array)),
        **({} if name == "matmul" else {f"__i{name}__": in_place}),
    }


def _comparison(f: Callable) -> Callable:
    return lambda a, b: _wrap(f(a._array, _host(b)))


def _sign(f: Callable) -> Callable:
    return lambda a: _wrap(f(a._array))


def _add_operators() -> None:
    found: dict[str, Callable] = {}
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
        found |= _operators(name)
    found |= {f"__{n}__": _comparison(getattr(operator, n)) for n in ("lt", "le", "gt", "ge", "eq", "ne")}
    found |= {f"__{n}__": _sign(getattr(operator, n)) for n in ("neg", "pos", "abs", "invert")}
    for name, method in found.items():
        setattr(DeviceArray, name, method)


_add_operators()
DeviceArray.__module__ = "cupy"  # by which emdose.compute.backend.of knows where an array lives
DeviceArray.__qualname__ = DeviceArray.__name__ = "ndarray"


class Module:
    """The part of a NumPy module that the module of the same name of CuPy has."""

    def __init__(self, name: str, host: Any) -> None:
        self.__dict__.update(_name=name, _module=host)

    def __getattr__(self, name: str) -> Any:
        real = real_cupy()
        if real is not None:
            for part in self._name.split(".")[1:]:
                real = getattr(real, part)
            if not hasattr(real, name):
                raise AttributeError(f"{self._name} has no {name!r}")
        found = getattr(self._module, name)
        if isinstance(found, types.ModuleType):
            return Module(f"{self._name}.{name}", found)
        if isinstance(found, type) or not callable(found):
            return found
        return _function(name, found, getattr(real, name, None))


def _function(name: str, host: Any, real: Any) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        if name in OPEN_KEYWORDS and not kwargs.keys() <= OPEN_KEYWORDS[name] | {"mode"}:
            raise TypeError(f"cupy.{name} takes no {sorted(kwargs)}")
        if isinstance(host, np.ufunc):
            if not kwargs.keys() <= {"out", "dtype", "casting"}:
                raise TypeError(f"cupy.{name} takes no {sorted(kwargs)}")
            args = tuple(a if a is None else _host(a) for a in args)
            if name == "matmul" and not all(isinstance(a, np.ndarray) for a in args):
                raise TypeError("matmul of something that is no array")
        else:
            if real is not None:
                inspect.signature(real).bind(*args, **kwargs)  # TypeError for a keyword that CuPy does not know
            if name not in CREATE | FROM_HOST and not any(map(_holds, (*args, *kwargs.values()))):
                raise TypeError(f"cupy.{name} without an array of the device")
            if name in JOIN and not all(isinstance(a, DeviceArray) for a in args[0]):
                raise TypeError("Only cupy arrays can be concatenated")
            if name == "where" and not isinstance(args[0], DeviceArray):
                raise TypeError("the condition is no array of the device")
            if name == "ravel_multi_index":
                kwargs = {"mode": "wrap"} | kwargs
            args = tuple(_from_host(a) if name in FROM_HOST else _unwrap(a) for a in args)
        result = host(*args, **{k: _unwrap(v) for k, v in kwargs.items()})
        if name in ("array", "asarray") and any(result is a for a in args) and not _holds(args):
            result = result.copy()
        return result if name in ("result_type", "asnumpy") else _wrap(result)

    return call


def _from_host(x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        return type(x)(map(_from_host, x))
    return x._array if isinstance(x, DeviceArray) else x


class Fft:
    """cupyx.scipy.fft: transforms of one axis come back as a view of an array with this axis last."""

    @staticmethod
    def next_fast_len(target: int, real: bool = False) -> int:
        n = max(target, 1)
        while not _smooth(n):
            n += 1
        return n

    @classmethod
    def fftn(
        cls, x: Any, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False, *, plan: Any = None
    ) -> DeviceArray:
        return cls._transform(scipy.fft.fft, x, s, axes, norm, overwrite_x)

    @classmethod
    def ifftn(
        cls, x: Any, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False, *, plan: Any = None
    ) -> DeviceArray:
        return cls._transform(scipy.fft.ifft, x, s, axes, norm, overwrite_x)

    @staticmethod
    def _transform(one: Callable, x: Any, s: Any, axes: Any, norm: Any, overwrite_x: bool) -> DeviceArray:
        if not isinstance(x, DeviceArray):
            raise TypeError("The input array a must be a cupy.ndarray")
        a = x._array
        axes = range(-(len(s) if s is not None else a.ndim), 0) if axes is None else axes
        a = a.astype(np.complex64 if a.dtype in (np.float32, np.complex64) else np.complex128, copy=False)
        for axis, length in zip(axes, s if s is not None else [a.shape[i] for i in axes], strict=True):
            turned = a.swapaxes(axis, -1)
            kept = turned[..., :length]
            padded = np.zeros((*turned.shape[:-1], length), a.dtype)
            padded[..., : kept.shape[-1]] = kept
            out = one(padded, norm=norm)
            # CuPy works in place only on a whole array whose last axis is transformed.
            last = axis % a.ndim == a.ndim - 1 and length == a.shape[-1]
            if overwrite_x and last and a.base is None and a.flags.c_contiguous:
                a[...] = out
            else:
                a = out.swapaxes(axis, -1)
        # Several neighbouring axes with the first or last one: one plan, which keeps the layout.
        order = sorted(i % a.ndim for i in axes)
        together = 1 < len(order) <= 3 and order[-1] - order[0] == len(order) - 1
        if together and (order[0] == 0 or order[-1] == a.ndim - 1):
            a = np.ascontiguousarray(a)
        return DeviceArray(a)


def _smooth(n: int) -> bool:
    for p in (2, 3, 5, 7):
        while n % p == 0:
            n //= p
    return n == 1


class OutOfMemoryError(MemoryError):
    """As cupy.cuda.memory.OutOfMemoryError."""

    __module__ = "cupy.cuda.memory"

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


class CompileError(Exception):
    """NVRTC refuses a text."""


PRELUDE = r"""
#include <math.h>
#include <stddef.h>
#include <utility>
#include <type_traits>
struct emu_index { unsigned x, y, z; };
static thread_local emu_index blockIdx, threadIdx;
static emu_index blockDim, gridDim;
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float __int_as_float(int v) { float f; __builtin_memcpy(&f, &v, 4); return f; }
template <class T> static inline T __ldg(const T *p) { return *p; }
#define __CUDACC__ 1
#define __global__
#define __grid_constant__
#define __device__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __shared__ static
"""
FIBERS = r"""
#include <stdlib.h>
#include <ucontext.h>
/* Threads of a block that wait for each other: each runs to its next barrier, one after the other. */
static ucontext_t emu_scheduler, emu_fibers[1024];
static char emu_done[1024], *emu_stacks;
static void (*emu_call)(const void *);
static const void *emu_body;
static unsigned emu_now;
static void __syncthreads() { swapcontext(&emu_fibers[emu_now], &emu_scheduler); }
static void emu_fiber() { emu_call(emu_body); emu_done[emu_now] = 1; }
template <class F> static void emu_block(const unsigned *b, F body) {
    const unsigned count = b[0] * b[1] * b[2], size = 1 << 15;
    if (!emu_stacks) emu_stacks = (char *)malloc(1024 * size);
    emu_call = [](const void *f) { (*static_cast<const F *>(f))(); };
    emu_body = &body;
    for (unsigned t = 0; t < count; t++) {
        getcontext(&emu_fibers[t]);
        emu_fibers[t].uc_stack.ss_sp = emu_stacks + t * size;
        emu_fibers[t].uc_stack.ss_size = size;
        emu_fibers[t].uc_link = &emu_scheduler;
        makecontext(&emu_fibers[t], emu_fiber, 0);
        emu_done[t] = 0;
    }
    for (unsigned left = count; left;) {
        left = 0;
        for (emu_now = 0; emu_now < count; emu_now++) {
            if (emu_done[emu_now]) continue;
            threadIdx = {emu_now % b[0], emu_now / b[0] % b[1], emu_now / b[0] / b[1]};
            swapcontext(&emu_scheduler, &emu_fibers[emu_now]);
            left += !emu_done[emu_now];
        }
    }
}
"""
ONE_AFTER_THE_OTHER = r"""
template <class F> static void emu_block(const unsigned *b, F body) {
    for (unsigned k = 0; k < b[2]; k++) for (unsigned j = 0; j < b[1]; j++) for (unsigned i = 0; i < b[0]; i++) {
        threadIdx = {i, j, k};
        body();
    }
}
"""
LAUNCH = r"""
template <class... P, size_t... I>
static void emu_thread(void (*kernel)(P...), void **a, std::index_sequence<I...>) {
    kernel(*static_cast<P *>(a[I])...);
}
template <class... P> static void emu_walk(void (*kernel)(P...), const unsigned *g, const unsigned *b, void **a) {
    blockDim = {b[0], b[1], b[2]};
    gridDim = {g[0], g[1], g[2]};
    for (unsigned z = 0; z < g[2]; z++) for (unsigned y = 0; y < g[1]; y++) for (unsigned x = 0; x < g[0]; x++) {
        blockIdx = {x, y, z};
        emu_block(b, [&] { emu_thread(kernel, a, std::index_sequence_for<P...>{}); });
    }
}
template <class... P> static int emu_types(void (*)(P...), int *out) {
    ((*out++ = std::is_pointer<P>::value ? 'p' : std::is_class<P>::value ? 's'
               : std::is_floating_point<P>::value ? 'f' : 'i',
      *out++ = (int)sizeof(P)), ...);
    return (int)sizeof...(P);
}
"""
ENTRY = r"""
extern "C" void emu_run_NAME(const unsigned *g, const unsigned *b, void **a) { emu_walk(&NAME, g, b, a); }
extern "C" int emu_types_NAME(int *out) { return emu_types(&NAME, out); }
"""


class RawModule:
    """Kernels of a CUDA text, walked thread by thread on the CPU."""

    def __init__(self, *, code: str, options: tuple[str, ...] = ()) -> None:
        if not isinstance(options, tuple):
            raise TypeError("options must be a tuple")
        defined = [o for o in options if o.startswith("-D")]
        if set(options) - set(defined) != {"--std=c++17"}:
            raise CompileError(f"options {options}")
        real = "double" if "-Dreal=double" in options else "float"
        self.signatures = signatures = kernel_text.signatures(code, real)
        self.names = list(signatures)
        entries = "".join(ENTRY.replace("NAME", name) for name in self.names)
        walk = FIBERS if any(s.blocks for s in signatures.values()) else ONE_AFTER_THE_OTHER
        self.text = PRELUDE + walk + code + LAUNCH + entries
        self.flags = ("-x", "c++", "-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-w", *defined)
        self.library: Any = None

    def compile(self) -> None:
        compiler = kernel_compiler.compiler()
        if compiler is None:
            pytest.skip("needs a C++ compiler")
        try:
            self.library = kernel_compiler.library(self.text, self.flags, compiler, kernel_compiler.cache_folder())
        except subprocess.CalledProcessError as error:
            if "cc1plus" in error.stderr:
                pytest.skip("needs a C++ compiler")
            raise CompileError(error.stderr) from None

    def get_function(self, name: str) -> Callable:
        run, tell = (getattr(self.library, f"emu_{what}_{name}") for what in ("run", "types"))
        numbers, signature = (ctypes.c_int * 256)(), self.signatures[name]
        parameters = [(chr(numbers[2 * i]), numbers[2 * i + 1]) for i in range(tell(numbers))]
        structs = dict(enumerate(signature.parameters, signature.dimensions))

        def launch(grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
            if not all(type(n) is int and n > 0 for n in (*grid, *block)) or math.prod(block) > 1024:
                raise ValueError(f"{name}: grid {grid}, block {block}")
            if len(args) != len(parameters):
                raise ValueError(f"{name}: {len(args)} arguments for {len(parameters)} parameters")
            kept: list[np.ndarray] = []
            arrays: list[np.ndarray] = []
            for n, ((kind, size), a) in enumerate(zip(parameters, args, strict=True)):
                if kind == "p":
                    if not isinstance(a, DeviceArray):
                        raise TypeError(f"{name}: argument {n} is {type(a)}")
                    arrays.append(a._array)
                    kept.append(np.array(a.data.ptr if a.size else 0, np.uintp))
                    continue
                if kind == "s":
                    if not isinstance(a, np.ndarray) or a.size != 1 or (a.dtype.kind, a.itemsize) != ("V", size):
                        raise TypeError(f"{name}: argument {n} is {type(a)} for a struct of {size} bytes")
                    arrays += [_at(int(a[f.name][0])) for f in structs[n].fields if f.array]
                    kept.append(a)
                    continue
                # The driver reads as many bytes as the parameter has, whatever is passed.
                value = np.asarray(a)
                if not isinstance(a, np.generic) or (value.dtype.kind, value.itemsize) != (kind, size):
                    raise TypeError(f"{name}: argument {n} is {value.dtype} for a parameter {kind}{size}")
                kept.append(value)
            pointers = (ctypes.c_void_p * len(kept))(*(v.ctypes.data for v in kept))
            extents = [(ctypes.c_uint * 3)(*(*e, 1, 1)[:3]) for e in (grid, block)]
            # By default a driver reads the arguments at once, also when it takes the launch down.
            if Stream.current.graph is not None:
                Stream.current.graph.add(lambda kept=kept: run(*extents, pointers), arrays)
            else:
                run(*extents, pointers)

        return launch


class _Cupy(Module):
    """The module ``cupy``."""

    ndarray = DeviceArray
    RawModule = RawModule
    __version__ = "imitated"
    cuda = types.SimpleNamespace(
        get_current_stream=lambda: Stream.current,
        Stream=Stream,
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        compiler=types.SimpleNamespace(CompileException=CompileError),
        nvrtc=types.SimpleNamespace(getVersion=lambda: (12, 9)),
        runtime=types.SimpleNamespace(
            memGetInfo=lambda: (2**33, 2**34),
            getDevice=lambda: 0,
            getDeviceProperties=lambda n: {"name": b"imitated GPU", "major": 9, "minor": 0},
        ),
    )

    @staticmethod
    def get_default_memory_pool() -> Any:
        return types.SimpleNamespace(free_bytes=lambda: 2**20)


xp = _Cupy("cupy", np)


class Linalg:
    """cupyx.scipy.linalg: what of it is used."""

    @staticmethod
    def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
        return tuple(map(_wrap, scipy.linalg.lu_factor(_unwrap(a), overwrite_a, check_finite)))

    @staticmethod
    def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True) -> Any:
        factors = tuple(map(_unwrap, lu_and_piv))
        return _wrap(scipy.linalg.lu_solve(factors, _unwrap(b), trans, overwrite_b, check_finite))


def strict_backend() -> backend.Backend:
    """A backend named "cuda" whose arrays, functions, transforms and kernels are those of this module."""
    be = backend.Backend("cuda", xp, backend.CudaKernels(xp))
    be.__dict__["fft"] = Fft
    be.__dict__["linalg"] = Linalg
    return be
