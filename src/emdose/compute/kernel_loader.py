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
    does, ``BARRIER;`` parts what depends on each other. Calls must not depend on each other's output. Parameters are
    scalars (real, double, float, int, i64) or pointers to ``real creal double float int i64 u32 u16 u8 i16 i8``;
    ``real`` is float or double as asked at loading, ``creal`` the complex number of it ({re, im}: a complex64 or
    complex128 array). ``RESTRICT`` promises that arrays do not overlap.

The reference
    ``kernels/<name>.py`` beside the text has a function of the same name for every kernel, called with
    ``(shape, *args)``, in NumPy. It is the oracle of the compiled one and runs where no compiler is found.

The call
    ``module.launch(kernel, shape, *args)`` checks number, device, dtype, layout, alignment, writeability and overlap of
    the arrays and raises TypeError or ValueError; how large the arrays must be only the caller knows.

The compiler is EMDOSE_COMPILER (a path, or "none" for NumPy), else gcc, clang or cc. Libraries are kept in
EMDOSE_CACHE_DIR or the user's cache folder under a hash of text, flags, processor and compiler; where that cannot be
written, in a temporary folder. EMDOSE_CFLAGS adds flags. Threads: EMDOSE_THREADS, else OMP_NUM_THREADS, else the cores
that the process may use; one in a child made by fork().
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import operator
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from emdose.errors import EmdoseWarning, InputError

COMMON = "common.cuh"
_DTYPES: dict[str, type] = {
    "double": np.float64,
    "float": np.float32,
    "int": np.int32,
    "i64": np.int64,
    "i16": np.int16,
    "i8": np.int8,
    "u32": np.uint32,
    "u16": np.uint16,
    "u8": np.uint8,
}
_CTYPES: dict[type, Any] = {
    np.float64: ctypes.c_double,
    np.float32: ctypes.c_float,
    np.int32: ctypes.c_int32,
    np.int64: ctypes.c_int64,
}

# Contraction to fused multiply-add would round differently from NumPy; neither flag below changes a value.
_LANGUAGE = ("-x", "c", "-std=c11", "-O3", "-fPIC", "-shared")
_FLAGS = (*_LANGUAGE, "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
_OPTIONAL = (("-march=native", "-fopenmp"), ("-mcpu=native", "-fopenmp"), ("-march=native",), ("-mcpu=native",), ())


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: name, NumPy scalar type, whether it is an array and whether it is written."""

    name: str
    dtype: type
    array: bool
    written: bool


@dataclass(frozen=True)
class Signature:
    """Name, number of dimensions (1 or 3) and parameters of a kernel, and whether an index is a block of threads."""

    name: str
    dimensions: int
    parameters: tuple[Parameter, ...]
    blocks: bool = False


class Module:
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
        values = _checked(signature, args, self._array_type)

        def run(*first: int) -> None:
            if 0 not in extents:
                changed = [_scalar(kernel, p, v) for p, v in zip(signature.parameters, first, strict=False)]
                self._run(signature, extents, [*changed, *values[len(changed) :]])

        return run

    def _run(self, signature: Signature, shape: tuple[int, ...], args: list[Any]) -> None:
        raise TypeError(f"{type(self).__name__} does not say how a kernel runs")


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
            scalars = [ctypes.c_void_p if p.array else _CTYPES[p.dtype] for p in signature.parameters]
            function.argtypes = [*extents, *scalars]
            self._functions[signature.name] = function

    def _run(self, signature: Signature, shape: tuple[int, ...], args: list[Any]) -> None:
        self._threads.value = thread_count()
        self._functions[signature.name](*shape, *(a.ctypes.data if isinstance(a, np.ndarray) else a for a in args))


class ReferenceModule(Module):
    """The NumPy reference of one kernel file."""

    kind = "numpy"

    def __init__(self, package: str, name: str, real: str) -> None:
        super().__init__(package, name, real, np.ndarray)
        self._reference = import_module(f"{package}.kernels.{name}")

    def _run(self, signature: Signature, shape: tuple[int, ...], args: list[Any]) -> None:
        # C wraps integers and makes infinities silently; the reference does the same.
        with np.errstate(all="ignore"):
            getattr(self._reference, signature.name)(shape, *args)


@dataclass(frozen=True)
class Compiler:
    """Path and version line of the C compiler."""

    path: str
    version: str


@cache
def source(package: str, name: str) -> str:
    """Text of a package's ``kernels/<name>.cuh`` with its ``#include "..."`` lines replaced by the files, and theirs.

    What a text includes lies beside it; only ``common.cuh``, which all include, lies beside this loader.
    """
    return _expanded(package, f"{name}.cuh")


def common() -> str:
    """Text of ``common.cuh``, which every kernel file includes."""
    return _text(str(__package__), COMMON)


def _expanded(package: str, file: str) -> str:
    def included(match: re.Match[str]) -> str:
        return common() if match[1] == COMMON else _expanded(package, match[1])

    return re.sub(r'^#include "([\w.]+)"$', included, _text(package, file), flags=re.MULTILINE)


def _text(package: str, file: str) -> str:
    return files(package).joinpath("kernels", file).read_text(encoding="utf-8")


def signatures(text: str, real: str) -> dict[str, Signature]:
    """Signatures of all kernels in a text, by name."""
    plain = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    found = {}
    for match in re.finditer(r"^KERNEL(1|3|_BLOCKS)\(", plain, flags=re.MULTILINE):
        name, *parts = _split(plain, match.end())
        blocks = match[1] == "_BLOCKS"
        parameters = tuple(_parameter(p, real) for p in parts[1 + blocks :])
        found[name] = Signature(name, 1 if match[1] == "1" else 3, parameters, blocks)
    return found


@cache
def load_c(package: str, name: str, real: str) -> Module:
    """Compiled kernels of a file, or their NumPy references (with one warning per process) where nothing compiles."""
    found, text = compiler(), source(package, name)
    if found is None:
        _warn_once(
            "no C compiler found: NumPy runs instead of compiled kernels, several times slower; install gcc or "
            "clang (Debian: apt install gcc; conda: c-compiler)"
        )
        return load_reference(package, name, real)
    flags = (f"-Dreal={real}", *shlex.split(os.environ.get("EMDOSE_CFLAGS", "")))
    problem = ""
    for folder in (cache_folder, _temporary_folder):
        for optional in _OPTIONAL:
            try:
                return CModule(package, name, real, _library(text, (*_FLAGS, *optional, *flags), found, folder()))
            except subprocess.CalledProcessError as error:  # flag or text refused: try plainer flags
                lines = (error.stderr or "").strip().splitlines()
                problem = problem or next((line for line in lines if "error" in line), f"exit code {error.returncode}")
            except OSError as error:  # folder not writable, or libraries there may not be loaded: try the next folder
                problem = problem or str(error)
                break
    _warn_once(f"{found.path} cannot compile {name}.cuh ({problem}): NumPy runs instead, several times slower")
    return load_reference(package, name, real)


@cache
def load_reference(package: str, name: str, real: str) -> Module:
    """NumPy references of a kernel file."""
    return ReferenceModule(package, name, real)


@cache
def compiler() -> Compiler | None:
    """The C compiler and its version, or None."""
    wanted = os.environ.get("EMDOSE_COMPILER", "").strip()
    if wanted.lower() == "none":
        return None
    for name in [wanted] if wanted else ["gcc", "clang", "cc"]:
        path = shutil.which(name)
        if path is None:
            continue
        try:
            run = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return Compiler(path, (run.stdout.splitlines() or ["unknown version"])[0])
    return None


def cache_folder() -> Path:
    """Folder of compiled libraries; not created here."""
    wanted = os.environ.get("EMDOSE_CACHE_DIR", "").strip()
    if wanted:
        return Path(wanted).expanduser() / "kernels"
    from platformdirs import user_cache_path

    return user_cache_path("emdose") / "kernels"


def thread_count() -> int:
    """Threads to use: EMDOSE_THREADS, else OMP_NUM_THREADS, else the cores that this process may use."""
    if _forked:
        return 1
    for variable in ("EMDOSE_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "").partition(",")[0].strip()
        if value:
            if not value.isdigit() or int(value) < 1:
                raise InputError("bad number of threads", field=variable, found=value, expected="an integer >= 1")
            return int(value)
    return _cores()


def system_text(path: str) -> str:
    """Content of a system file such as /proc/cpuinfo; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@cache
def _cores() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = system_text("/sys/fs/cgroup/cpu.max").split()  # a container may own less time than it sees cores
    if len(quota) == 2 and quota[0].isdigit():
        allowed = min(allowed, max(1, round(int(quota[0]) / int(quota[1]))))
    return allowed


# A child made by fork() inherits OpenMP's bookkeeping but not its threads and would wait for them for ever.
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@cache
def _processor_key() -> str:
    lines = system_text("/proc/cpuinfo").splitlines()
    kinds = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(kinds)})) + platform.machine() + sys.platform


def _library(text: str, flags: tuple[str, ...], found: Compiler, folder: Path) -> ctypes.CDLL:
    """Load the library of a text from a folder, compiling it if it is not there."""
    key = "\0".join((text, *flags, found.path, found.version, _processor_key()))
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"
    if path.exists():
        try:
            return _opened(path)
        except OSError:
            pass  # damaged: make it again
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Compiled beside its final place and moved there in one step: two processes may do so at once, the last one wins.
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as build:
        made = Path(build) / "kernel.so"
        command = [found.path, *flags, "-o", str(made), "-", "-lm"]
        subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        os.replace(made, path)
    return _opened(path)


def _opened(path: Path) -> ctypes.CDLL:
    """Load a library, and with the first one OpenMP, which reads its settings then.

    By default its threads spin while they wait for each other, which on a busy machine takes the core from the thread
    they wait for: measured with 10 jobs on 2 cores, averaging took 1.1 to 1.5 s so and 0.2 to 0.8 s asleep.
    """
    settings = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    if any(name in os.environ for name in settings):
        return ctypes.CDLL(str(path))
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        return ctypes.CDLL(str(path))
    finally:
        del os.environ["OMP_WAIT_POLICY"]


@cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="emdose-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, EmdoseWarning, stacklevel=4)


def _split(text: str, start: int) -> list[str]:
    """Arguments of a macro call whose "(" ends at ``start``, split at its own commas."""
    parts, depth, begin = [], 0, start
    for at in range(start, len(text)):
        c = text[at]
        if (c == "," and depth == 0) or (c == ")" and depth == 0):
            parts.append(" ".join(text[begin:at].split()))
            begin = at + 1
            if c == ")":
                return parts
        depth += (c in "([{") - (c in ")]}")
    raise ValueError("kernel text ends inside a macro call")


def _parameter(text: str, real: str) -> Parameter:
    match = re.fullmatch(r"(const )?(\w+) (\* ?(?:RESTRICT )?)?(\w+)", text)
    if match is None:
        raise ValueError(f"cannot read the kernel parameter '{text}'")
    const, kind, pointer, name = match.groups()
    if kind == "creal":
        dtype: type = np.complex64 if real == "float" else np.complex128
    else:
        dtype = _DTYPES[real if kind == "real" else kind]
    if not pointer and dtype not in _CTYPES:
        raise ValueError(f"kernel parameter '{text}': scalars are real, double, float, int or i64")
    return Parameter(name, dtype, bool(pointer), bool(pointer) and not const)


def _checked(signature: Signature, args: Sequence[Any], array_type: Any) -> list[Any]:
    """Arguments ready for the call, or TypeError or ValueError."""
    if len(args) != len(signature.parameters):
        names = ", ".join(p.name for p in signature.parameters)
        raise TypeError(f"{signature.name}: {len(args)} arguments; expected {len(signature.parameters)}: {names}")
    values: list[Any] = []
    spans: list[tuple[int, int, Parameter]] = []
    a: Any
    for p, a in zip(signature.parameters, args, strict=True):
        where = f"{signature.name}: {p.name}"
        if not p.array:
            values.append(_scalar(where, p, a))
            continue
        if not isinstance(a, array_type):
            raise TypeError(
                f"{where} is {type(a).__module__}.{type(a).__qualname__}; "
                f"expected {array_type.__module__}.{array_type.__qualname__}"
            )
        if a.dtype != p.dtype:
            raise TypeError(f"{where} has dtype {a.dtype}; expected {np.dtype(p.dtype)}")
        if not a.flags.c_contiguous:
            raise ValueError(f"{where} is not C-contiguous")
        if isinstance(a, np.ndarray) and not (a.flags.aligned and (a.flags.writeable or not p.written)):
            raise ValueError(f"{where} is {'read-only' if a.flags.aligned else 'not aligned'}")
        begin = int(a.ctypes.data if isinstance(a, np.ndarray) else a.data.ptr)
        spans.append((begin, begin + a.nbytes, p))
        values.append(a)
    for n, (begin, end, p) in enumerate(spans):
        for other_begin, other_end, other in spans[:n]:
            if (p.written or other.written) and begin < other_end and other_begin < end:
                raise ValueError(f"{signature.name}: {other.name} and {p.name} overlap in memory")
    return values


def _scalar(where: str, p: Parameter, value: Any) -> Any:
    if p.dtype in (np.int32, np.int64):
        try:
            number = operator.index(value)
        except TypeError:
            raise TypeError(f"{where} is {type(value).__name__}; expected an integer") from None
        if not np.iinfo(p.dtype).min <= number <= np.iinfo(p.dtype).max:
            raise ValueError(f"{where} = {number} does not fit {np.dtype(p.dtype)}")
        return p.dtype(number)
    if isinstance(value, (str, bytes)) or np.iscomplexobj(value):
        raise TypeError(f"{where} is {type(value).__name__}; expected a real number")
    return p.dtype(float(value))
