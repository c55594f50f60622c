"""Every kernel file: the compiled text against its NumPy reference, warnings, sanitizers, CUDA without a device."""

from __future__ import annotations

import ctypes
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import kernel_exercise as exercise
import numpy as np
import pytest

from emdose.compute import backend, kernel_compiler, kernel_text
from emdose.compute.kernel_arguments import c_type, numpy_type

FILES = sorted(exercise.PACKAGES)
EXERCISED = sorted(exercise.EXERCISES)
ALL = [(name, real) for name in FILES for real in exercise.reals(name)]
RUN = [(name, real) for name in EXERCISED for real in exercise.reals(name)]

# A second body for the CPU, which a GPU can compile but has no use for: its registers do not matter.
CPU_ONLY = {"yee_walk"}

# Largest difference from the reference, of the largest value; else rounding. Filaments: the compiled text
# takes fewer Gauss points at a distance, see FAR in it.
ACCURACY = {"filaments": 1e-6}

# NVRTC has no offsetof without a toolkit's headers.
OFFSETOF = "\n#define offsetof(type, field) __INTADDR__(&((type *)0)->field)"

needs_compiler = pytest.mark.skipif(kernel_compiler.compiler() is None, reason="needs a C compiler")


@pytest.mark.parametrize("name", FILES)
def test_every_kernel_has_a_reference_that_takes_its_arguments(name: str) -> None:
    """A kernel file without an exercise here is compared with its reference where it is used."""
    reference = importlib.import_module(f"{exercise.PACKAGES[name]}.kernels.{name}")
    for kernel, signature in kernel_text.signatures(exercise.source(name), "double").items():
        inspect.signature(getattr(reference, kernel)).bind("shape", *signature.parameters)


@pytest.mark.parametrize("name", FILES)
def test_no_kernel_takes_more_than_ten_parameters(name: str) -> None:
    """What belongs together is a struct."""
    for kernel, signature in kernel_text.signatures(exercise.source(name), "double").items():
        assert len(signature.parameters) <= 10, kernel


def test_exercises_are_of_kernel_files() -> None:
    assert set(EXERCISED) <= set(FILES)


@needs_compiler
@pytest.mark.parametrize(("name", "real"), RUN)
def test_compiled_kernels_equal_their_references(
    name: str, real: str, reference_backend: backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the NumPy reference; whole numbers exactly, the rest to rounding."""
    monkeypatch.setenv("EMDOSE_THREADS", "2")  # calls that depend on each other would show
    compiled, kind = exercise.run(backend.get("cpu").kernels, name, real)
    reference, reference_kind = exercise.run(reference_backend.kernels, name, real)
    assert (kind, reference_kind) == ("c", "numpy")
    _assert_same(compiled, reference, ACCURACY.get(name, 0.0))


def _assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], accuracy: float) -> None:
    for key, value in expected.items():
        if value.dtype.kind in "iu":
            np.testing.assert_array_equal(found[key], value, err_msg=key)
        else:
            scale = np.abs(value[np.isfinite(value)]).max()
            tolerance = max(accuracy, 2e-12 if value.dtype in (np.float64, np.complex128) else 2e-6)
            np.testing.assert_allclose(found[key], value, rtol=0, atol=tolerance * scale, err_msg=key)


def _layout(name: str, real: str, word: str, offset: str) -> str:
    """C that does not compile where a struct of a text lies in memory as the loader does not think."""
    lines = []
    for signature in kernel_text.signatures(exercise.source(name), real).values():
        for p in signature.parameters:
            if p.fields:
                dtype, host = numpy_type(p), c_type(p)
                assert dtype.itemsize == ctypes.sizeof(host)
                assert dtype.itemsize <= 4000, "a kernel of CUDA takes 4 KiB of parameters"
                lines.append(f'{word}(sizeof({p.struct}) == {dtype.itemsize}, "size");')
                for f in p.fields:
                    at = dtype.fields[f.name][1]
                    assert at == getattr(host, f.name).offset
                    lines.append(f'{word}({offset}({p.struct}, {f.name}) == {at}, "{f.name}");')
    return "\n" + "\n".join(dict.fromkeys(lines)) + "\n"


@needs_compiler
@pytest.mark.parametrize(("name", "real"), ALL)
def test_text_compiles_without_a_warning(name: str, real: str) -> None:
    command = [
        kernel_compiler.compiler().path,
        "-x",
        "c",
        "-std=c11",
        "-fopenmp",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-Dreal={real}",
        "-c",
        "-o",
        os.devnull,
        "-",
    ]
    text = exercise.source(name) + _layout(name, real, "_Static_assert", "offsetof")
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="preloads a library")
def test_no_kernel_reads_or_writes_out_of_bounds(tmp_path: Path) -> None:
    """Oracle: gcc's address and undefined-behaviour sanitizers, over every kernel."""
    found = kernel_compiler.compiler().path
    names = ("libasan.so", "libubsan.so")
    libraries = [
        subprocess.run([found, f"-print-file-name={n}"], capture_output=True, text=True).stdout.strip() for n in names
    ]
    if not all(os.path.isabs(library) for library in libraries):
        pytest.skip("the compiler has no sanitizer libraries")
    environment = {
        **os.environ,
        "LD_PRELOAD": ":".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "EMDOSE_CACHE_DIR": str(tmp_path),
        # Unoptimised: every access is there to be seen, and instrumenting optimised text takes four times as long.
        "EMDOSE_CFLAGS": "-O0 -g -fsanitize=address,undefined -fno-sanitize-recover=all",
        "EMDOSE_THREADS": "2",
    }
    run = subprocess.run(
        [sys.executable, str(Path(exercise.__file__))],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert sorted(run.stdout.split("\n")[:-1]) == sorted(f"{n} {r} c" for n, r in RUN)


@pytest.mark.nvrtc
@pytest.mark.parametrize(("name", "real"), [(name, real) for name, real in ALL if name not in CPU_ONLY])
def test_text_compiles_for_cuda_within_its_registers(name: str, real: str) -> None:
    """Oracle: NVRTC's own log. 128 registers leave 512 threads a multiprocessor's file (65 536); nothing may spill."""
    from cupy_backends.cuda.libs import nvrtc

    for arch in ("sm_80", "sm_90"):
        text = exercise.source(name) + OFFSETOF + _layout(name, real, "static_assert", "offsetof")
        program = nvrtc.createProgram(text, f"{name}.cu", [], [])
        try:
            options = (f"-arch={arch}", "--std=c++17", f"-Dreal={real}", "--ptxas-options=-v", "-default-device")
            nvrtc.compileProgram(program, options)
        except Exception:
            pytest.fail(nvrtc.getProgramLog(program))
        assert len(nvrtc.getCUBIN(program)) > 1000
        log = nvrtc.getProgramLog(program)
        registers = [int(line.split("Used")[1].split()[0]) for line in log.splitlines() if "Used" in line]
        spills = [line for line in log.splitlines() if "spill" in line and "0 bytes spill stores" not in line]
        assert len(registers) == len(kernel_text.signatures(exercise.source(name), real)), log
        assert max(registers) <= 128, log
        assert spills == [], log


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the libraries of Linux")
@pytest.mark.parametrize("name", EXERCISED)
def test_no_kernel_is_named_like_a_function_of_the_c_library(name: str) -> None:
    """A shared library whose function has such a name may call that of the C library in its place."""
    for real in exercise.reals(name):
        for kernel in kernel_text.signatures(exercise.source(name), real):
            for library in ("libc.so.6", "libm.so.6"):
                assert not hasattr(ctypes.CDLL(library), kernel), kernel
