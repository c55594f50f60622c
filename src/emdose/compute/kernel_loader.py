"""One kernel text for two devices: reads ``.cuh`` files, compiles them for the CPU, checks what is passed to them.

The text
    ``kernels/<name>.cuh`` in the package that launches it is written in the common subset of C11 and CUDA C and begins
    with ``#include "common.cuh"``, which lies here. A kernel is the function of one index or one voxel, wrapped by a
    macro::

        FN double square(double x) { return x * x; }
        KERNEL1(squares, y[i] = square(x[i]), const double *RESTRICT x, double *RESTRICT y)
        KERNEL3(fill, fill_voxel(i, j, k, n1, n2, a), creal *RESTRICT a)

    ``KERNEL1(name, call, parameters...)`` runs ``call`` for every ``i`` (64 bit) in [0, n0), ``KERNEL3`` for every ``i,
    j, k`` (32 bit) in [0, n0) x [0, n1) x [0, n2), k fastest; n0, n1, n2 are the shape given to ``launch`` and may be
    used in ``call``. ``KERNEL_BLOCKS(name, size, call, parameters...)`` runs ``call`` for every ``b0, b1, b2`` by a
    block of BLOCK_Y x BLOCK_X threads that share ``real tile[size]``: ``THREADS(tx, ty) { ... }`` is what each thread
    does, ``BARRIER;`` parts what depends on each other. ``KERNEL_SPANS(name, call, parameters...)`` runs ``call`` for
    every ``p, i, j, k`` with ``i`` in [0, spans), p spans + i in [0, n0) and k in [span[2 r], span[2 r + 1]) where r is
    i n1 + j: rows of several arrays of spans x n1 x n2 as far as they hold something; its first arguments are spans
    (int) and span (int32). Calls must not depend on each other's output. Parameters are
    scalars (real, double, float, int, i64), pointers to ``real creal double float int i64 u32 u16 u8 i16 i8``, or
    structs of both; ``real`` is float or double as asked at loading, ``creal`` the complex number of it ({re, im}: a
    complex64 or complex128 array). ``RESTRICT`` promises that arrays do not overlap.

The struct
    What belongs together is one parameter, passed by value::

        typedef struct { int nx, ny; real h; const real *RESTRICT heat; const i64 *RESTRICT first; } Lines;
        KERNEL1(sweep, sweep_line(i, lines, d), Lines lines, real *RESTRICT d)

    Its fields are scalars and pointers as above; the text alone says which and in what order. The caller passes a
    mapping of field names to values. A function of the text takes a struct by value, which leaves the compiler free to
    keep its fields in registers, or by a pointer to const where it is large. ``CONSTANT(Lines) lines`` leaves it in the
    constant memory of a GPU, for a kernel that has no registers to spare (NVRTC's log says so: a test reads it).

The reference
    ``kernels/<name>.py`` beside the text has a function of the same name for every kernel, called with
    ``(shape, *args)``, in NumPy. It is the oracle of the compiled one and runs where no compiler is found. A struct
    arrives as an object whose attributes are the fields.

The call
    ``module.launch(kernel, shape, *args)`` checks number, device, dtype, layout, alignment, writeability and overlap of
    the arrays, those in structs included, and the names of a struct's fields, and raises TypeError or ValueError; how
    large the arrays must be only the caller knows.

The compiler is EMDOSE_COMPILER (a path, or "none" for NumPy), else gcc, clang or cc. Libraries are kept in
EMDOSE_CACHE_DIR or the user's cache folder under a hash of text, flags, processor and compiler; where that cannot be
written, or others can write to it, in a temporary folder. EMDOSE_CFLAGS adds flags. Threads: EMDOSE_THREADS, else
OMP_NUM_THREADS, else the cores that the process may use; one in a child made by fork().
"""

from __future__ import annotations

import ctypes
import operator
import os
import shlex
import subprocess
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from emdose.compute.kernel_arguments import c_type, checked, numpy_type, scalar
from emdose.compute.kernel_compiler import Compiler, cache_folder, compiler, library, temporary_folder
from emdose.compute.kernel_text import Parameter, Signature, signatures, source
from emdose.compute.machine import thread_count
from emdose.compute.private_files import UntrustedError
from emdose.errors import DeviceError, EmdoseWarning, InputError

# Contraction to fused multiply-add would round differently from NumPy; neither flag below changes a value.
_LANGUAGE = ("-x", "c", "-std=c11", "-O3", "-fPIC", "-shared")
_FLAGS = (*_LANGUAGE, "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
_OPTIONAL = (("-march=native", "-fopenmp"), ("-mcpu=native", "-fopenmp"), ("-march=native",), ("-mcpu=native",), ())


class Module(ABC):
    """The kernels of one file on one device; subclasses say how one runs.

    Parameters
    ----------
    package : str
        The package that holds the text, in its folder ``kernels``.
    name : str
        File name without ``.cuh``.
    real : {"float", "double"}
        Meaning of ``real`` in the text.
    array_type : type
        Class of the arrays that the kernels take.
    """

    kind: ClassVar[str] = ""

    def __init__(self, package: str, name: str, real: str, array_type: type) -> None:
        if real not in ("float", "double"):
            raise ValueError(f"real is '{real}'; expected 'float' or 'double'")
        self.name, self.real, self.text = name, real, source(package, name)
        self.signatures = signatures(self.text, real)
        self._array_type = array_type

    def launch(self, kernel: str, shape: int | Sequence[int], *args: Any) -> None:
        """Run a kernel over all indices of ``shape`` (one count, or three).

        Raises
        ------
        TypeError, ValueError
            When the arguments do not fit the kernel's signature.
        """
        self.prepare(kernel, shape, *args)()

    def prepare(self, kernel: str, shape: int | Sequence[int], *args: Any) -> Callable[..., None]:
        """A launch whose arguments are checked now, to be run many times.

        Returns
        -------
        callable
            Without an argument it runs the kernel; with one, an integer, that takes the place of the first parameter,
            which must be a scalar.

        Raises
        ------
        TypeError, ValueError
            When the arguments do not fit the kernel's signature.
        """
        if kernel not in self.signatures:
            raise ValueError(f"{self.name}.cuh has no kernel '{kernel}'; it has {', '.join(self.signatures)}")
        signature = self.signatures[kernel]
        extents = tuple(operator.index(n) for n in (shape if isinstance(shape, Sequence) else (shape,)))
        if len(extents) != signature.dimensions or min(extents) < 0:
            raise ValueError(f"{kernel}: shape {extents}; expected {signature.dimensions} counts >= 0")
        if signature.dimensions == 3 and max(extents) >= 2**31:
            raise ValueError(f"{kernel}: shape {extents}; expected counts below 2^31")
        values = checked(signature, args, self._array_type)
        return Launch(self, signature, extents, values)

    def passed(self, parameter: Parameter, value: Any) -> Any:  # noqa: ARG002 - devices that pack need it
        """A checked value as :meth:`run` takes it; what it names by its address only, the caller keeps."""
        return value

    @abstractmethod
    def run(self, signature: Signature, shape: tuple[int, ...], args: list[Any]) -> None:
        """Run a kernel with arguments that :meth:`passed` returned."""


class Launch:
    """A kernel with arguments that are checked and packed, see :meth:`Module.prepare`.

    Parameters
    ----------
    module : Module
        Whose kernel it is.
    signature : Signature
        The kernel.
    shape : tuple of int
        The indices.
    values : list
        Checked arguments.
    """

    def __init__(self, module: Module, signature: Signature, shape: tuple[int, ...], values: list[Any]) -> None:
        self._module, self._signature, self._shape = module, signature, shape
        self._values = values  # holds the arrays whose addresses are in what is passed
        self._passed = [module.passed(p, v) for p, v in zip(signature.parameters, values, strict=True)]

    def __call__(self, *first: int) -> None:
        """Run it, with ``first`` in place of the first parameter if given."""
        if 0 not in self._shape:
            name, parameters = self._signature.name, self._signature.parameters
            changed = [scalar(f"{name}: {p.name}", p, v) for p, v in zip(parameters, first, strict=False)]
            self._module.run(self._signature, self._shape, [*changed, *self._passed[len(changed) :]])


class CModule(Module):
    """One kernel file, compiled for the CPU."""

    kind = "c"

    def __init__(self, package: str, name: str, real: str, library: ctypes.CDLL) -> None:
        super().__init__(package, name, real, np.ndarray)
        self._threads = ctypes.c_int.in_dll(library, "emdose_threads")
        self._functions = {}
        for signature in self.signatures.values():
            function = getattr(library, signature.name)
            function.restype = None
            extents = [ctypes.c_int64 if signature.dimensions == 1 else ctypes.c_int32] * signature.dimensions
            function.argtypes = [*extents, *(c_type(p) for p in signature.parameters)]
            self._functions[signature.name] = function
        self._structs: dict[int, Any] = {}

    def passed(self, parameter: Parameter, value: Any) -> Any:
        """Addresses of arrays, structs of such."""
        if parameter.fields:
            # Parameters of the signatures live as long as this; hashing one takes longer than its address.
            struct = self._structs.get(id(parameter))
            if struct is None:
                struct = self._structs[id(parameter)] = c_type(parameter)
            return struct(*(self.passed(f, value[f.name]) for f in parameter.fields))
        return value.ctypes.data if parameter.array else value.item()

    def run(self, signature: Signature, shape: tuple[int, ...], args: list[Any]) -> None:
        """Call the compiled function."""
        self._threads.value = thread_count()
        self._functions[signature.name](*shape, *args)


class ReferenceModule(Module):
    """The NumPy reference of one kernel file."""

    kind = "numpy"

    def __init__(self, package: str, name: str, real: str) -> None:
        super().__init__(package, name, real, np.ndarray)
        self._reference = import_module(f"{package}.kernels.{name}")

    def passed(self, parameter: Parameter, value: Any) -> Any:
        """Structs as objects with attributes; their whole numbers as Python's, which do not overflow."""
        if not parameter.fields:
            return value
        return SimpleNamespace(**{k: v.item() if isinstance(v, np.integer) else v for k, v in value.items()})

    def run(self, signature: Signature, shape: tuple[int, ...], args: list[Any]) -> None:
        """Call the NumPy function."""
        # C wraps integers and makes infinities silently; the reference does the same.
        with np.errstate(all="ignore"):
            getattr(self._reference, signature.name)(shape, *args)


class CudaModule(Module):
    """One kernel file, compiled for the GPU by the CuPy that is passed."""

    kind = "cuda"
    BLOCK: Mapping[int, tuple[int, int, int]] = {1: (256, 1, 1), 3: (64, 4, 1)}
    THREADS = (64, 8, 1)  # BLOCK_X and BLOCK_Y in common.cuh

    def __init__(self, package: str, name: str, real: str, cupy: Any) -> None:
        super().__init__(package, name, real, cupy.ndarray)
        try:
            self._module = cupy.RawModule(code=self.text, options=("--std=c++17", f"-Dreal={real}"))
            self._module.compile()
        except cupy.cuda.compiler.CompileException as error:
            raise DeviceError(f"{name}.cuh does not compile for this GPU: {error}") from error
        self._functions: dict[str, Any] = {}

    def passed(self, parameter: Parameter, value: Any) -> Any:
        """Structs as NumPy arrays of one element, which CuPy passes by value."""
        if not parameter.fields:
            return value
        packed = np.zeros(1, numpy_type(parameter))
        for field in parameter.fields:
            found = value[field.name]
            packed[field.name] = found.data.ptr if field.array else found
        return packed

    def run(self, signature: Signature, shape: tuple[int, ...], args: list[Any]) -> None:
        """Queue the kernel."""
        block = self.THREADS if signature.blocks else self.BLOCK[signature.dimensions]
        # The last index runs along threadIdx.x, where neighbouring threads read neighbouring memory.
        share = (1, 1, 1) if signature.blocks else block
        grid = tuple(-(-n // b) for n, b in zip((*reversed(shape), 1, 1), share, strict=False))
        if grid[0] >= 2**31 or max(grid[1:]) > 65535:
            raise DeviceError(f"{signature.name}: {shape} is more than one launch can walk on a GPU")
        extent = np.int64 if signature.dimensions == 1 else np.int32
        if signature.name not in self._functions:
            self._functions[signature.name] = self._module.get_function(signature.name)
        self._functions[signature.name](grid, block, (*(extent(n) for n in shape), *args))


@cache
def load_c(package: str, name: str, real: str) -> Module:
    """Compiled kernels of a file, or their NumPy references (with one warning per process) where nothing compiles."""
    found, text = compiler(), source(package, name)
    if found is None:
        named = os.environ.get("EMDOSE_COMPILER", "").strip()
        missing = f"EMDOSE_COMPILER = '{named}' is no compiler" if named else "no C compiler found"
        _warn_once(
            f"{missing}: NumPy runs instead of compiled kernels, several times slower; install gcc or "
            "clang (Debian: apt install gcc; conda: c-compiler)"
        )
        return load_reference(package, name, real)
    flags, problem = (f"-Dreal={real}", *_own_flags()), ""
    for folder in (cache_folder, temporary_folder):
        try:
            return CModule(package, name, real, _compiled(text, flags, found, folder()))
        except subprocess.CalledProcessError as error:
            lines = (error.stderr or "").strip().splitlines()
            problem = next((line for line in lines if "error" in line), f"exit code {error.returncode}")
            break
        except subprocess.TimeoutExpired as error:
            problem = f"not done after {error.timeout:g} s"
            break
        except UntrustedError as error:
            _warn_once(
                f"{error}: compiled kernels there are not used and are made anew for this process; choose a folder of "
                "your own with EMDOSE_CACHE_DIR"
            )
        except OSError as error:  # folder not writable, or libraries there may not be loaded: try the next folder
            problem = problem or str(error)
    _warn_once(f"{found.path} cannot compile {name}.cuh ({problem}): NumPy runs instead, several times slower")
    return load_reference(package, name, real)


def _compiled(text: str, flags: tuple[str, ...], found: Compiler, folder: Path) -> ctypes.CDLL:
    """The library of a text with the best flags that the compiler takes; raises what it says to the best of all."""
    refused: list[subprocess.CalledProcessError] = []
    for optional in _OPTIONAL:
        try:
            return library(text, (*_FLAGS, *optional, *flags), found, folder)
        except subprocess.CalledProcessError as error:  # flag or text refused: try plainer flags
            refused.append(error)
    raise refused[0]


def _own_flags() -> list[str]:
    wanted = os.environ.get("EMDOSE_CFLAGS", "")
    try:
        return shlex.split(wanted)
    except ValueError as error:
        raise InputError(
            f"cannot be split into flags: {str(error).lower()}",
            field="EMDOSE_CFLAGS",
            found=wanted,
            expected="flags of the compiler, with quotes in pairs",
        ) from None


@cache
def load_reference(package: str, name: str, real: str) -> Module:
    """NumPy references of a kernel file."""
    return ReferenceModule(package, name, real)


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, EmdoseWarning, stacklevel=4)
