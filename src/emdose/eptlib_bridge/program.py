"""EPTlib's command line: found, run with a time limit, and its answer read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import PropertyMap
from emdose.eptlib_bridge import versions
from emdose.eptlib_bridge.case import Case, read_case, write_case
from emdose.eptlib_bridge.settings import Settings
from emdose.eptlib_bridge.versions import EptlibError, Version
from emdose.errors import EmdoseWarning
from emdose.values import read_only

NAME = "EPTlib_app"
VARIABLE = "EMDOSE_EPTLIB"
CRASHES = {
    134: "aborted (an input file that is missing or unreadable, or out of memory)",
    136: "arithmetic exception",
    137: "killed (out of memory?)",
    139: "segmentation fault",
}


@read_only
@dataclass(frozen=True)
class Report:
    """What EPTlib said.

    Parameters
    ----------
    version : (int, int, int)
        Version.
    seconds : float
        Wall time of the program, its input and output included.
    log : str
        Its standard output.
    notes : tuple of str
        Known defects of this version for these settings.
    iterations : int or None
        Iterations of the convection-reaction solver.
    residual : float or None
        Its estimated error.
    """

    version: Version
    seconds: float
    log: str
    notes: tuple[str, ...] = ()
    iterations: int | None = None
    residual: float | None = None


def find_program(program: Path | str | None = None) -> Path:
    """Path of EPTlib_app: the argument, else the environment variable EMDOSE_EPTLIB, else the search path.

    Raises
    ------
    EptlibError
        When there is none.
    """
    named = program or os.environ.get(VARIABLE)
    found = shutil.which(str(named) if named else NAME)
    if found is None and named and Path(named).is_dir():
        found = shutil.which(str(Path(named) / NAME))
    if found is None:
        where = f"'{named}' is not a program" if named else f"no {NAME} on the search path"
        raise EptlibError(
            f"EPTlib not found: {where}; install it from https://eptlib.github.io and give its path as "
            f"program= or in {VARIABLE}"
        )
    return Path(found).absolute()


def program_version(program: Path | str | None = None, timeout_s: float = 20.0) -> Version:
    """Version of EPTlib_app; raises EptlibError when it is missing, hangs, or is something else."""
    path = find_program(program)
    return versions.parse(_execute([str(path)], None, timeout_s, None)[1])


def run_case(
    case: Case, program: Path | str | None = None, timeout_s: float = 600.0, threads: int | None = None
) -> Report:
    """Run EPTlib on a case.

    Parameters
    ----------
    case : Case
        From :func:`~emdose.eptlib_bridge.case.write_case`.
    program : Path or str, optional
        See :func:`find_program`.
    timeout_s : float
        Time limit [s].
    threads : int, optional
        OMP_NUM_THREADS.

    Raises
    ------
    EptlibError
        When it is missing, too old, takes too long, crashes, ends with an error, or ignored an option.
    """
    path = find_program(program)
    version = program_version(path)
    versions.refuse(version, case.settings, case.b1)
    begin = time.perf_counter()
    code, log, errors = _execute([str(path), case.config.name], case.folder, timeout_s, threads)
    seconds = time.perf_counter() - begin
    judge(code, log, errors)
    iterations, residual = _solver(log)
    if iterations is not None and iterations >= case.settings.max_iterations:
        told = f"EPTlib stopped after {iterations} iterations with an estimated error of {residual:.2g}"
        warnings.warn(f"{told}, wanted {case.settings.tolerance:g}: no solution", EmdoseWarning, stacklevel=2)
    notes = tuple(versions.known_defects(version, case.settings, case.b1))
    for note in notes:
        warnings.warn(f"EPTlib {versions.text(version)}: {note}", EmdoseWarning, stacklevel=2)
    return Report(version, seconds, log, notes, iterations, residual)


def reconstruct(
    b1: B1Map,
    settings: Settings,
    *,
    program: Path | str | None = None,
    folder: Path | str | None = None,
    timeout_s: float = 600.0,
    threads: int | None = None,
) -> PropertyMap:
    """Let EPTlib reconstruct a B1+ map.

    Parameters
    ----------
    b1 : B1Map
        The map.
    settings : Settings
        EPTlib's settings.
    program, timeout_s, threads :
        As in :func:`run_case`.
    folder : Path or str, optional
        Keep the files here; by default they go to a temporary folder that is removed.

    Returns
    -------
    PropertyMap
        ``settings`` holds "version", "seconds", "notes", "iterations", "residual".

    Raises
    ------
    EptlibError
        See :func:`run_case`.
    """
    find_program(program)
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="emdose-eptlib-") as temporary:
            return reconstruct(b1, settings, program=program, folder=temporary, timeout_s=timeout_s, threads=threads)
    case = write_case(folder, b1, settings)
    report = run_case(case, program, timeout_s, threads)
    maps = read_case(case)
    about = {
        "version": versions.text(report.version),
        "seconds": report.seconds,
        "notes": report.notes,
        "iterations": report.iterations,
        "residual": report.residual,
    }
    return replace(maps, settings={**maps.settings, **about})


def judge(code: int, log: str, errors: str = "") -> None:
    """Raise EptlibError with one line unless EPTlib ended well and honoured every option.

    Parameters
    ----------
    code : int
        Exit status; negative numbers are signals, as Python gives them.
    log, errors : str
        Standard output and standard error.
    """
    fatal = re.search(r"FATAL ERROR[^:\n]*:\s*(.+)", log)
    if code in (0, 1) and fatal is not None:
        raise EptlibError(f"EPTlib: {fatal[1].strip()}")
    ignored = re.findall(r"WARNING in config file: Wrong data format '([^'\n]+)'", log)
    if ignored:
        raise EptlibError(
            f"EPTlib ignored {', '.join(ignored)} and took its default: wrong type of value (an integer "
            "for a real number?)"
        )
    if code == 0:
        return
    if code == 1:
        reason = "the execution failed" if "execution failed" in log else "it ended with an error and gave no reason"
        raise EptlibError(f"EPTlib: {reason} (mesh.size against the shape of the data, or data that are missing?)")
    if code == 255:
        raise EptlibError("EPTlib got no configuration file")
    number = 128 - code if code < 0 else code
    detail = " ".join(errors.split())[:120]
    what = CRASHES.get(number, f"unknown exit status {number}")
    raise EptlibError(f"EPTlib crashed: {what}{': ' + detail if detail else ''}")


def _solver(log: str) -> tuple[int | None, float | None]:
    steps = re.search(r"Iterations:\s*(\d+)", log)
    error = re.search(r"Estimated error:\s*(\S+)", log)
    return (int(steps[1]), float(error[1])) if steps and error else (None, None)


def _execute(command: list[str], folder: Path | None, timeout_s: float, threads: int | None) -> tuple[int, str, str]:
    environment = dict(os.environ)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            timeout=timeout_s,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise EptlibError(f"EPTlib did not end within {timeout_s:g} s and was stopped") from None
    except OSError as error:
        raise EptlibError(f"{command[0]} cannot be run: {error.strerror or error}") from None
    return done.returncode, done.stdout, done.stderr
