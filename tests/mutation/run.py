"""Seeded mutation run: are the tests able to tell a broken formula from a right one?

    python tests/mutation/run.py --seed 1 --mutants 240

draws that many places from the rooms, changes each in a copy of the sources by one of cosmic-ray's operators (or a
factor on a float constant), and runs first the tests of the mirrored room that reach the changed statement, then the
wider sets. All it needs lies in ``out/mutation``; stopped with Ctrl-C, the same command goes on where it was. The
table at the end names every survivor. ``--again`` copies the tests anew and tries the survivors on files that changed.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
from covering import Chosen, Coverings, record
from mutants import ROOMS, Mutant, draw, mutated

ROOT = Path(__file__).resolve().parents[2]
WIDER = ("physics", "kernels", "compute", "scenarios", "io", "uncertainty")
"""Folders of tests on which those are tried that the tests of their own room do not see."""
BUDGET_S = {"room": 30.0, "wider": 60.0, "new": 30.0}
"""Tests to run per mutant, in seconds they take without it."""
LIBRARIES = (
    "numpy scipy.sparse.linalg scipy.special scipy.ndimage scipy.spatial scipy.optimize scipy.interpolate "
    "scipy.integrate scipy.signal h5py nibabel trimesh skrf pydantic hypothesis xdist coverage matplotlib"
)
"""Loaded once, before a process is split off per mutant; they hold no line of emdose."""


def main() -> None:
    """The whole run; each step is skipped where its result is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", type=int, default=240)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "mutation")
    parser.add_argument("--again", action="store_true", help="try the survivors on tests that changed since")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "PYVISTA_OFF_SCREEN": "true",
        "PYTHONPATH": str(out / "tree" / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name in LIBRARIES.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    put_back(out)
    tree = copy_of_the_sources(out)
    changed = copy_of_the_tests(out) if options.again else []
    plan = [Mutant(**row) for row in planned(out, tree, options.seed, options.mutants)]
    results = Results(out / "results.jsonl", len(plan))
    for room in ROOMS:
        own = Coverings(tree, recorded(out, tree, {room: [f"tests/{room}"]}))
        for mutant in plan:
            if mutant.room == room and mutant.key not in results.verdicts:
                results.add(mutant, judged(tree, out, mutant, own, "room"))
    unseen = [m for m in plan if results.verdicts[m.key] in ("passes its room", "not run by its room")]
    wider = Coverings(tree, recorded(out, tree, {f: [f"tests/{f}"] for f in (*ROOMS, *WIDER)} if unseen else {}))
    for mutant in unseen:
        results.add(mutant, judged(tree, out, mutant, wider, "wider"))
    if changed:
        (out / "lines_new.json").unlink(missing_ok=True)
        new = Coverings(tree, recorded(out, tree, {"new": changed}))
        for mutant in plan:
            if not results.killed(mutant):
                results.add(mutant, judged(tree, out, mutant, new, "new"))
    print(table(plan, results.verdicts))


def copy_of_the_sources(out: Path) -> Path:
    """What is changed and run is a copy, made once per run."""
    tree = out / "tree"
    if not (tree / "pyproject.toml").exists():
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(tree / "src", quiet=1)
        shutil.copy2(ROOT / "pyproject.toml", tree)
    return tree


def copy_of_the_tests(out: Path) -> list[str]:
    """Copy the tests anew; returns the test files whose text is new."""
    changed = []
    for path in sorted((ROOT / "tests").rglob("*")):
        copy = out / "tree" / path.relative_to(ROOT)
        if (
            path.is_file()
            and "__pycache__" not in path.parts
            and not (copy.exists() and copy.read_bytes() == path.read_bytes())
        ):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
            if path.name.startswith("test_"):
                changed.append(str(path.relative_to(ROOT)))
    return changed


def planned(out: Path, tree: Path, seed: int, count: int) -> list[dict]:
    """The mutants drawn, kept so that a run goes on with the same ones."""
    path = out / "plan.json"
    if not path.exists():
        path.write_text(json.dumps([vars(m) for m in draw(tree, seed, count)], indent=1))
    return json.loads(path.read_text())


def recorded(out: Path, tree: Path, sets: Mapping[str, list[str]]) -> list[Path]:
    """Which lines the tests of every set (folders or files, by a name) run, and how long they take."""
    paths = []
    for name, targets in sets.items():
        path, targets = out / f"lines_{name}.json", [t for t in targets if (tree / t).exists()]
        if not path.exists() and targets:
            begin = time.monotonic()
            split(partial(record, tree, targets, ROOMS, path), tree, out / "record.log", 3600)
            print(f"recorded {name} tests: {time.monotonic() - begin:.0f} s", flush=True)
        paths.append(path)
    return [p for p in paths if p.exists()]


class Results:
    """Verdict per mutant, appended to a file as they come."""

    def __init__(self, path: Path, count: int) -> None:
        rows = [json.loads(row) for row in path.read_text().splitlines()] if path.exists() else []
        self.path, self.count, self.verdicts = path, count, {row["key"]: row["verdict"] for row in rows}

    def add(self, mutant: Mutant, verdict: str) -> None:
        self.verdicts[mutant.key] = verdict
        with self.path.open("a") as file:
            file.write(json.dumps({"key": mutant.key, "verdict": verdict}) + "\n")
        print(f"{len(self.verdicts)}/{self.count} {mutant.key}: {verdict}", flush=True)

    def killed(self, mutant: Mutant) -> bool:
        return self.verdicts[mutant.key].startswith("killed")


def judged(tree: Path, out: Path, mutant: Mutant, coverings: Coverings, sets: str) -> str:
    """Verdict of the tests of the mutant's room that reach it, of all other tests that do ("wider"), or of new ones."""
    tests = coverings.of(mutant.path, mutant.line)
    room = f"tests/{mutant.room}/"
    chosen = coverings.order(tests, lambda t: sets == "new" or t.startswith(room) == (sets == "room"), BUDGET_S[sets])
    if sets == "room" and not chosen:
        return "not run by its room"
    code = tried(tree, out, mutant, chosen, limit_s=20 + 4 * sum(map(coverings.seconds.__getitem__, chosen)))
    if code:
        return f"killed by {'time' if code < 0 else sets}"
    return "passes its room" if sets == "room" else "survived" if tests else "not run by any test"


def tried(tree: Path, out: Path, mutant: Mutant, tests: list[str], limit_s: float) -> int:
    """Exit status of the tests on the changed copy: 0 they pass, negative out of time; the copy is put back."""
    if not tests:
        return 0
    files = list(dict.fromkeys(t.partition("::")[0] for t in tests))
    run = partial(pytest.main, ["-q", "-x", "-n0", "-p", "no:cacheprovider", *files], [Chosen(tests)])
    path = tree / mutant.path
    shutil.copy2(path, out / "original.py")
    (out / "original.path").write_text(str(path))
    path.write_text(mutated(path.read_text(encoding="utf-8"), mutant), encoding="utf-8")
    try:
        return split(run, tree, out / "last.log", limit_s)
    finally:
        put_back(out)


def put_back(out: Path) -> None:
    """Undo the last change, also one that a killed run left behind."""
    if (out / "original.path").exists():
        # With its time, so that its compiled copy is valid again.
        shutil.copy2(out / "original.py", (out / "original.path").read_text())
        (out / "original.path").unlink()


def split(work: Callable[[], object], tree: Path, log: Path, limit_s: float) -> int:
    """Run ``work`` in a process of its own that starts with the libraries loaded; its status, negative out of time.

    The time is the processor's, so that a busy machine makes no mutant look dead.
    """
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s) + 5))
        signal.alarm(int(30 * limit_s))  # what waits forever uses no processor
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(tree)
        sys.path[:0] = [str(tree / "src")]
        sys.dont_write_bytecode = True
        status = 70
        try:
            status = int(work() or 0)  # type: ignore[call-overload]
        finally:
            sys.stdout.flush()
            os._exit(status)
    try:
        _, status = os.waitpid(pid, 0)
    except BaseException:
        stop(pid)
        raise
    code = os.waitstatus_to_exitcode(status)
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        return 0
    return (
        code if code in (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM) else abs(code)
    )  # a crash is a kill like any other


def stop(pid: int) -> None:
    """End a split-off process and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def table(plan: list[Mutant], results: dict[str, str]) -> str:
    """Rooms with their mutants and kills, then every survivor with its place and change."""
    rows = [f"{'room':<12}{'mutants':>8}{'killed':>8}{'share':>8}"]
    for room in (*ROOMS, "all"):
        ours = [results[m.key] for m in plan if room in (m.room, "all") and m.key in results]
        killed = sum(v.startswith("killed") for v in ours)
        rows.append(f"{room:<12}{len(ours):>8}{killed:>8}{killed / max(1, len(ours)):>8.1%}")
    for mutant in plan:
        if not results.get(mutant.key, "killed").startswith("killed"):
            rows += [
                "",
                f"{mutant.path}:{mutant.line} ({mutant.operator}; {results[mutant.key]})",
                f"  - {mutant.before.strip()}",
                f"  + {mutant.after.strip()}",
            ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
