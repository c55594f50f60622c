"""The loader. Oracles: what a caller may and may not pass, and what must survive on a machine that is not ideal."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import psutil
import pytest
from strict_device import strict_backend

from emdose.compute import backend, kernel_compiler, kernel_text, private_files

pytestmark = pytest.mark.skipif(kernel_compiler.compiler() is None, reason="needs a C compiler")

TRIAD = """
import numpy as np
from emdose.compute import backend
m = backend.get("cpu").kernels.load("emdose.compute", "bandwidth", "double")
a = np.empty(100000)
m.launch("triad", a.size, 2.0, np.ones(a.size), np.arange(a.size, dtype=float), a)
assert np.array_equal(a, 1 + 2 * np.arange(a.size))
print(m.kind)
"""


def python(code: str, *, ok: bool = True, **environment: str) -> subprocess.CompletedProcess:
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not ok or run.returncode == 0, run.stderr
    return run


@pytest.fixture
def triad():
    module = backend.get("cpu").kernels.load("emdose.compute", "bandwidth", "double")
    return lambda *args, shape=4: module.launch("triad", shape, *args)


def test_signatures_are_read_from_the_text() -> None:
    text = """/* KERNEL1(no, x) */
KERNEL1(one, f(i, a[2], g(b, 1)), const real *RESTRICT a, // a comment, with commas
        creal *RESTRICT b, i64 n)
KERNEL3(three, h(i, j, k), double s, u8 *t)
"""
    found = kernel_text.signatures(text, "float")
    assert list(found) == ["one", "three"]
    a, b, n = found["one"].parameters
    assert (a.dtype, a.array, a.written) == (np.float32, True, False)
    assert (b.dtype, b.array, b.written) == (np.complex64, True, True)
    assert (n.name, n.dtype, n.array) == ("n", np.int64, False)
    assert found["three"].dimensions == 3
    assert kernel_text.signatures(text, "double")["one"].parameters[1].dtype is np.complex128


STRUCTS = """
typedef struct { int count[3]; } Own; /* none of the loader's business */
typedef struct {
    int n; i64 apart; /* padding */ real scale;
    const real *RESTRICT b, *RESTRICT c; const u8 *mask; double *out;
} Line;
FN double one(i64 i, Line w) { return w.mask[i] ? w.scale * (double)w.b[i] + (double)w.c[i] * (double)w.apart : w.n; }
KERNEL1(lines, w.out[i] = one(i, w) + shift, int shift, CONSTANT(Line) w)
"""


def test_a_struct_is_read_from_the_text() -> None:
    shift, line = kernel_text.signatures(STRUCTS, "double")["lines"].parameters
    assert (shift.name, shift.fields, line.name, line.struct) == ("shift", (), "w", "Line")
    assert [f.name for f in line.fields] == ["n", "apart", "scale", "b", "c", "mask", "out"]
    assert [f.dtype for f in line.fields] == [np.int32, np.int64, *[np.float64] * 3, np.uint8, np.float64]
    assert [f.array for f in line.fields] == [False] * 3 + [True] * 4
    assert [f.written for f in line.fields] == [False] * 6 + [True]
    with pytest.raises(ValueError, match="cannot read"):
        kernel_text.signatures(STRUCTS + "KERNEL1(bad, x, Own own)\n", "double")
    with pytest.raises(ValueError, match="'Other'"):
        kernel_text.signatures(STRUCTS + "KERNEL1(bad, x, Other other)\n", "double")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory):
    """A package whose kernel takes a struct, with its reference."""
    folder = tmp_path_factory.mktemp("structs")
    (folder / "made_up" / "kernels").mkdir(parents=True)
    (folder / "made_up" / "__init__.py").write_text("")
    (folder / "made_up" / "kernels" / "__init__.py").write_text("")
    (folder / "made_up" / "kernels" / "lines.cuh").write_text('#include "common.cuh"\n' + STRUCTS)
    (folder / "made_up" / "kernels" / "lines.py").write_text(
        "def lines(shape, shift, w):\n"
        "    w.out[:] = shift + (w.mask > 0) * (w.scale * w.b + w.c * w.apart) + (w.mask == 0) * w.n\n"
    )
    sys.path.insert(0, str(folder))
    yield "made_up"
    sys.path.remove(str(folder))


def _line(xp=np, **other) -> dict:
    line = {"n": 7, "apart": 2**40, "scale": 0.5, "b": xp.arange(4.0), "c": xp.ones(4)}
    return {**line, "mask": xp.asarray(np.array([1, 0, 1, 1], np.uint8)), "out": xp.zeros(4), **other}


@pytest.mark.parametrize("kind", ["c", "numpy", "imitated"])
def test_a_struct_arrives_as_it_was_given(package: str, kind: str, reference_backend: backend.Backend) -> None:
    """Oracle: arithmetic that needs every field in its place."""
    be = {"c": backend.get("cpu"), "numpy": reference_backend, "imitated": strict_backend()}[kind]
    line = _line(be.xp)
    module = be.kernels.load(package, "lines", "double")
    module.launch("lines", 4, 3, line)
    assert be.to_numpy(line["out"]).tolist() == [2**40 + 3.0, 10.0, 2**40 + 4.0, 2**40 + 4.5]
    run = module.prepare("lines", 4, 3, line)
    run(5)
    assert be.to_numpy(line["out"])[1] == 12.0


def test_arrays_in_a_struct_are_checked_as_all_others(package: str) -> None:
    module = backend.get("cpu").kernels.load(package, "lines", "double")
    shared = np.zeros(8)
    for bad, error, match in [
        ({"b": np.ones(4, np.float32)}, TypeError, r"w\.b has dtype float32"),
        ({"b": np.ones(8)[::2]}, ValueError, r"w\.b is not C-contiguous"),
        ({"b": [1.0] * 4}, TypeError, r"w\.b is builtins\.list"),
        ({"n": 1.5}, TypeError, r"w\.n is float; expected an integer"),
        ({"n": 2**31}, ValueError, r"w\.n = 2147483648 does not fit int32"),
        ({"out": shared[:4], "c": shared[3:7]}, ValueError, r"w\.c and w\.out overlap"),
        ({"nn": 1}, TypeError, r"w \(Line\) has no nn"),
    ]:
        with pytest.raises(error, match=match):
            module.launch("lines", 4, 0, _line(**bad))
    read_only = np.zeros(4)
    read_only.flags.writeable = False
    module.launch("lines", 4, 0, _line(b=read_only))
    with pytest.raises(ValueError, match=r"w\.out is read-only"):
        module.launch("lines", 4, 0, _line(out=read_only))
    lacking = _line()
    del lacking["mask"]
    with pytest.raises(TypeError, match="lacks mask"):
        module.launch("lines", 4, 0, lacking)
    with pytest.raises(TypeError, match="mapping"):
        module.launch("lines", 4, 0, 1)


def test_a_prepared_launch_holds_the_arrays_of_its_structs(package: str) -> None:
    line = _line()
    gone = weakref.ref(line["b"])
    run = backend.get("cpu").kernels.load(package, "lines", "double").prepare("lines", 4, 0, line)
    out = line["out"]
    del line
    assert gone() is not None
    run()
    assert out[2] == 2**40 + 1.0


def test_good_call(triad) -> None:
    a = np.empty(4)
    triad(2, np.ones(4), np.arange(4.0), a)
    np.testing.assert_array_equal(a, [1, 3, 5, 7])
    triad(2, np.ones(4), np.ones(4), a, shape=0)
    np.testing.assert_array_equal(a, [1, 3, 5, 7])


def test_bad_arrays_raise_and_never_crash(triad) -> None:
    good, other = np.ones(4), np.ones(4)
    read_only = np.ones(4)
    read_only.flags.writeable = False
    unaligned = np.zeros(33, np.uint8)[1:].view(np.float64)

    class Device:  # what a GPU's array looks like from here
        dtype, flags, nbytes = good.dtype, good.flags, good.nbytes

    for bad, error in [
        (good.astype(np.float32), TypeError),
        (np.ones(8)[::2], ValueError),
        ([1.0] * 4, TypeError),
        (None, TypeError),
        (Device(), TypeError),
        (read_only, ValueError),
        (unaligned, ValueError),
        (good.astype(">f8"), TypeError),
        (good, ValueError),
    ]:
        with pytest.raises(error, match="triad"):
            triad(1.0, good, other, bad)
    shared = np.ones(7)
    with pytest.raises(ValueError, match="overlap"):
        triad(1.0, shared[:4], other, shared[3:])
    triad(1.0, good, good, other)  # two arrays that are only read may be the same one


def test_bad_scalars_and_shapes_raise(triad) -> None:
    good, out = np.ones(4), np.ones(4)
    for args in [(1j, good, good, out), ("1", good, good, out), (1.0, good, good), (1.0, good, good, out, 2)]:
        with pytest.raises(TypeError):
            triad(*args)
    for shape in (-1, (2, 2, 1)):
        with pytest.raises(ValueError, match="shape"):
            triad(1.0, good, good, out, shape=shape)
    average = backend.get("cpu").kernels.load("emdose.dosimetry.averaging", "average", "double")
    with pytest.raises(TypeError, match="integer"):
        average.launch("sum_lines", 2, 2.0, 1, out)
    with pytest.raises(ValueError, match="does not fit"):
        average.launch("sum_lines", 2, 2**31, 1, out)
    with pytest.raises(ValueError, match=r"no kernel 'x'"):
        average.launch("x", 2)


def test_result_does_not_depend_on_the_number_of_threads(monkeypatch) -> None:
    """Oracle: the same bits."""
    rng = np.random.default_rng(0)
    weight, values = rng.random((2, 30, 20, 10))
    module = backend.get("cpu").kernels.load("emdose.dosimetry.averaging", "average", "double")
    tables = []
    for threads in ("1", "3"):
        monkeypatch.setenv("EMDOSE_THREADS", threads)
        table = np.zeros((31, 21, 11))
        module.launch("sum_rows", 600, 20, 10, weight, values, table)
        module.launch("sum_lines", 31 * 11, 21, 11, table)
        tables.append(table)
    np.testing.assert_array_equal(*tables)


def test_processes_that_compile_at_once_all_succeed(tmp_path: Path) -> None:
    environment = {**os.environ, "EMDOSE_CACHE_DIR": str(tmp_path)}
    command, pipe = [sys.executable, "-c", TRIAD], subprocess.PIPE
    running = [subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.strip()) == (0, "c"), err
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 1
    assert left[0].endswith(".so")


def test_cache_is_used_and_repaired(tmp_path: Path) -> None:
    python(TRIAD, EMDOSE_CACHE_DIR=str(tmp_path))
    (library,) = tmp_path.rglob("*.so")
    made = library.stat().st_mtime_ns
    python(TRIAD, EMDOSE_CACHE_DIR=str(tmp_path))
    assert library.stat().st_mtime_ns == made
    library.write_bytes(b"half a library")
    assert python(TRIAD, EMDOSE_CACHE_DIR=str(tmp_path)).stdout.strip() == "c"
    assert library.stat().st_size > 1000
    python(TRIAD, EMDOSE_CACHE_DIR=str(tmp_path), EMDOSE_CFLAGS="-O1")
    assert len(list(tmp_path.rglob("*.so"))) == 2


@pytest.mark.parametrize("damage", ["cut short", "one bit"])
def test_a_damaged_library_is_made_again(tmp_path: Path, damage: str) -> None:
    """Loading the half of a library kills the process; one bit is enough for another instruction."""
    python(TRIAD, EMDOSE_CACHE_DIR=str(tmp_path))
    (library,) = tmp_path.rglob("*.so")
    good = library.read_bytes()
    middle = len(good) // 2
    bad = {"cut short": good[:middle], "one bit": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]}
    library.write_bytes(bad[damage])
    assert python(TRIAD, EMDOSE_CACHE_DIR=str(tmp_path)).stdout.strip() == "c"
    (library,) = tmp_path.rglob("*.so")
    assert library.read_bytes() != bad[damage]


@pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")
@pytest.mark.parametrize("door", ["folder", "above", "library"])
def test_what_others_can_write_is_not_executed(tmp_path: Path, door: str) -> None:
    """Oracle: a library of a stranger that says so when it is loaded."""
    cache = tmp_path / "cache"
    python(TRIAD, EMDOSE_CACHE_DIR=str(cache))
    (library,) = cache.rglob("*.so")
    evil = 'void __attribute__((constructor)) hello(void) { extern int puts(const char *); puts("executed"); }'
    compiler = kernel_compiler.compiler()
    assert compiler is not None
    planted = tmp_path / "planted.so"
    subprocess.run(
        [compiler.path, "-shared", "-fPIC", "-x", "c", "-o", planted, "-"], input=evil, text=True, check=True
    )
    data = planted.read_bytes()
    library.unlink()
    name = library.stem.partition("-")[0] + f"-{private_files.digest(data)}.so"
    for path in {library, library.with_name(name), library.with_name(library.stem.partition("-")[0] + ".so")}:
        path.write_bytes(data)
        path.chmod(0o666 if door == "library" else 0o600)
    if door != "library":
        {"folder": library.parent, "above": cache}[door].chmod(0o777)
    run = python(TRIAD, EMDOSE_CACHE_DIR=str(cache))
    assert run.stdout.strip() == "c"
    assert run.stderr.count("EmdoseWarning") == 1
    assert "everybody can write to" in run.stderr
    assert "EMDOSE_CACHE_DIR" in run.stderr


def test_a_compiler_that_hangs_is_ended(tmp_path: Path) -> None:
    """With it end the programs that it has started."""
    slow = tmp_path / "slow-cc"
    slow.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo slow 1.0 && exit 0\nsleep 600 & echo $! > {tmp_path}/pid\nwait\n'
    )
    slow.chmod(0o755)
    code = "from emdose.compute import kernel_compiler\nkernel_compiler.COMPILE_TIMEOUT_S = 1.0\n" + TRIAD
    run = python(code, EMDOSE_COMPILER=str(slow), EMDOSE_CACHE_DIR=str(tmp_path))
    assert run.stdout.strip() == "numpy"
    assert "slow-cc cannot compile bandwidth.cuh (not done after 1 s)" in run.stderr
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        left = psutil.Process(int((tmp_path / "pid").read_text()))
        psutil.wait_procs([left], timeout=20)
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE


def test_unusable_cache_folder_is_replaced_by_a_temporary_one(tmp_path: Path) -> None:
    """A path below a file cannot be made, not even by root, whom permissions do not stop."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    (tmp_path / "tmp").mkdir()
    out = python(TRIAD, EMDOSE_CACHE_DIR=str(blocked / "cache"), TMPDIR=str(tmp_path / "tmp"))
    assert out.stdout.strip() == "c"
    assert list((tmp_path / "tmp").iterdir()) == []  # tidied at exit


def test_without_a_compiler_numpy_runs_with_one_warning() -> None:
    code = (
        TRIAD
        + 'load = backend.get("cpu").kernels.load\nload("emdose.compute", "bandwidth", "float")\n'
        + 'load("emdose.dosimetry.averaging", "average")'
    )
    run = python(code, EMDOSE_COMPILER="none")
    assert run.stdout.strip() == "numpy"
    assert run.stderr.count("EmdoseWarning") == 1
    assert "install gcc" in run.stderr


def test_compiler_that_fails_is_reported_and_replaced(tmp_path: Path) -> None:
    broken = tmp_path / "broken-cc"
    answer = '[ "$1" = --version ] && echo broken 1.0 && exit 0'
    broken.write_text(f'#!/bin/sh\n{answer}\necho "x.h: fatal error: gone" >&2\nexit 1\n')
    broken.chmod(0o755)
    run = python(TRIAD, EMDOSE_COMPILER=str(broken), EMDOSE_CACHE_DIR=str(tmp_path))
    assert run.stdout.strip() == "numpy"
    assert "fatal error: gone" in run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_does_not_wait_for_threads_it_does_not_have() -> None:
    """OpenMP's threads do not survive fork(); a child that waited for them would hang."""
    code = (
        TRIAD
        + """
import os
child = os.fork()
if child == 0:
    m.launch("triad", a.size, 3.0, np.ones(a.size), np.ones(a.size), a)
    os._exit(0 if (a == 4).all() else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    python(code, EMDOSE_THREADS="2")
