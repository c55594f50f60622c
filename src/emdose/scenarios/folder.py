"""The folder of a run: whose it is, whether it is finished, what of it is solved, and what may be done to it."""

from __future__ import annotations

import contextlib
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from emdose.errors import EmdoseError, InputError, OutputError
from emdose.io.disk import atomic, run_files
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.io.disk.claim import TRIES, FolderClaim
from emdose.scenarios.gate import gated, validity
from emdose.scenarios.loading import load
from emdose.scenarios.shared.scenario import LoadedScenario

State = Literal["new", "resumed", "evaluated", "finished"]
CHECKPOINT, SOLUTION = "checkpoint", "solution"
SOLVED = "solved"
"""Name of the complete solution in its folder."""
OWNER = ".running"
INPUTS = "inputs"
"""Folder of the files that were written for a run whose tables held models."""
RF_RUNS = "rf-runs"
"""Folder of the runs of RF heating that were made for the sheet of a label; they come before the sheet."""
CODE = "code_sha256"
"""Entry of the provenance: the code that has made a result."""
KEY = "solution_key"
"""Entry of the provenance: the key of what was solved."""


class RunFolder:
    """A result folder while a run may write to it.

    It holds the lock file of its scenario; of a finished run the summary and the files that it lists; in ``solution``
    what the solver has found, and in ``checkpoint`` the parts of a solution that is not complete. Both are stored with
    the key of what was solved (see :meth:`~emdose.scenarios.BaseJob.solution_key`), so that each is of use to every
    scenario of that key and to no other.

    Parameters
    ----------
    path : Path or str
        The folder; it need not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._made: list[Path] = []
        self._claim = FolderClaim(self.path / OWNER)

    @property
    def checkpoint(self) -> Path:
        """Folder of the finished parts of a solution."""
        return self.path / CHECKPOINT

    @property
    def solution(self) -> Path:
        """Folder of a complete solution, and of parts of its evaluation."""
        return self.path / SOLUTION

    @property
    def finished(self) -> bool:
        """Whether a run has been completed here: the summary is the last file to appear."""
        return (self.path / run_files.SUMMARY_FILE).exists() and (self.path / run_files.RESULT_FILE).exists()

    # ---- whose it is ---------------------------------------------------------------------------------------------
    def claim(self) -> None:
        """Make the folder and take it for this process.

        Raises
        ------
        InputError
            When it holds other things than a run of emdose.
        OutputError
            When it cannot be made or written, or another process is running in it.
        """
        self._require_ours()
        for _ in range(TRIES):
            self._make()
            with contextlib.suppress(FileNotFoundError):  # one that has just let go of it has removed it
                self._claim.acquire()
                break
        else:
            raise OutputError(f"{self.path}: cannot write: the folder is removed again and again")
        try:
            self._require_ours()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Stop owning the folder; what was made for a run that has left nothing of worth goes away."""
        empty = not self.finished and not any(f.exists() for f in (self.checkpoint, self.solution))
        if empty:
            with contextlib.suppress(OSError):
                (self.path / run_files.LOCK_FILE).unlink(missing_ok=True)
        self._claim.release()
        if empty:
            with contextlib.suppress(OSError):
                for folder in reversed(self._made):
                    folder.rmdir()

    # ---- what may be done ----------------------------------------------------------------------------------------
    def served(self, scenario: LoadedScenario, code: str) -> dict[str, Any] | None:
        """The summary of the run of this scenario that was completed here, if it may be given out as it is.

        It may when it is valid, was made by the same code, and the files are those that were written.
        """
        if not self.finished or not self._same(scenario):
            return None
        try:
            summary = run_files.read_summary(self.path)
            run_files.require_intact(self.path, summary)
            if not run_files.is_sealed(summary):
                return None
            if summary["provenance"].get(CODE) != code or not validity(summary, self.path).is_valid:
                return None
            return gated(summary, self.path)
        except (InputError, AttributeError):
            return None

    def refuse_other(self, scenario: LoadedScenario, *, resume: bool) -> None:
        """Raise InputError, before anything is built, when another scenario is here of which nothing is of use."""
        if any(f.exists() for f in (self.checkpoint, self.solution)) or not self._lock.exists():
            return
        if not self._same(scenario):
            raise self._another(scenario, resume)

    def settle(self, scenario: LoadedScenario, key: str, *, resume: bool = False, force: bool = False) -> State:
        """What a run of a scenario with the key ``key`` does here.

        Parameters
        ----------
        scenario : LoadedScenario
            What shall be run.
        key : str
            Hash of what is solved.
        resume : bool
            Go on with an unfinished solution.
        force : bool
            Throw away what an earlier run of emdose left here.

        Returns
        -------
        str
            "evaluated" or, when no result was there yet, "resumed" when all is solved; "resumed" when parts of the
            solution are there; else "new".

        Raises
        ------
        InputError
            When the folder holds another scenario that solves something else, or an unfinished solution and neither
            ``resume`` nor ``force`` says what to do with it.
        """
        if force or not self._lock.exists():
            return "new"
        same, parts = self._same(scenario), FolderCheckpoint(self.checkpoint, key)
        begun = parts.stored_key or (key if parts.parts else None)  # what cannot be read is solved again, part by part
        # A result that is not valid is not put together again from the same solution for the same scenario; one whose
        # summary is damaged is.
        again = same and self.finished and self._not_valid()
        solution = FolderCheckpoint(self.solution, key)
        if key == (solution.stored_key or (solution.has(SOLVED) and self._solved_key())) and not again:
            return "evaluated" if self.finished else "resumed"
        if begun == key:
            if resume or (same and self.finished):
                return "resumed"
            raise InputError(
                "an unfinished run is here",
                file=self.path,
                expected="--resume to go on with it, or --force to start again",
            )
        if not same:
            raise self._another(scenario, resume)
        if begun is not None:
            raise InputError(
                "an unfinished run of another version of emdose is here, cannot resume",
                file=self.path,
                expected="that version, or --force to start again",
            )
        return "new"

    def begin(self, scenario: LoadedScenario, state: State) -> None:
        """Make room for a run: a result stays until there is another, what is solved until something else is.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        try:
            for path in self.path.glob(f".*{atomic.PART}"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise atomic.output_error(error, self.path) from error
        if state == "new":
            for folder in (self.checkpoint, self.solution):
                FolderCheckpoint(folder, "").clear()
        if not self.finished:
            atomic.write_text(self._lock, scenario.lock())

    def make_way(self, names: list[str]) -> None:
        """Remove what the earlier run has listed and the new one does not write, and the page of the earlier one."""
        for name in {*self._listed(), run_files.FIELDS_FILE, run_files.REPORT_FILE} - {*names}:
            with contextlib.suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    # ---- what is here --------------------------------------------------------------------------------------------
    @property
    def _lock(self) -> Path:
        return self.path / run_files.LOCK_FILE

    def _same(self, scenario: LoadedScenario) -> bool:
        return self._earlier is not None and self._earlier.sha256 == scenario.sha256

    @cached_property
    def _earlier(self) -> LoadedScenario | None:
        try:
            return load(self._lock)
        except EmdoseError:
            return None

    def _another(self, scenario: LoadedScenario, resume: bool) -> InputError:
        return InputError(
            "the scenario has changed, cannot resume" if resume else "this folder belongs to another scenario",
            file=self.path,
            found=_difference(self._earlier, scenario),
            expected="another --out, or --force",
        )

    def _not_valid(self) -> bool:
        """Whether the summary here is whole and says of a result that is not valid, or cannot be judged."""
        try:
            summary = run_files.read_summary(self.path)
        except InputError:
            return False
        try:
            return not validity(summary, self.path).is_valid
        except InputError:
            return True

    def _solved_key(self) -> str | None:
        """The key of what was solved here as the summary tells it, for a solution that is too damaged to say it."""
        with contextlib.suppress(InputError, AttributeError):
            key = run_files.read_summary(self.path)["provenance"].get(KEY)
            return key if isinstance(key, str) else None
        return None

    def _require_ours(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise InputError("this is a file", file=self.path, expected="a folder for the results")
        try:
            found = sorted(
                p.name
                for p in self.path.iterdir()
                if not p.name.endswith(atomic.PART) and p.name not in (OWNER, INPUTS, RF_RUNS)
            )
        except FileNotFoundError:
            return
        except OSError as error:
            raise atomic.output_error(error, self.path) from error
        if found and run_files.LOCK_FILE not in found:
            raise InputError(
                "not a result folder of emdose",
                file=self.path,
                found=found[0],
                expected="an empty or new folder: choose another --out",
            )

    def _make(self) -> None:
        missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.output_error(error, self.path) from error
        self._made = missing[::-1] or self._made

    def _listed(self) -> list[str]:
        """Plain file names that the earlier run's summary lists as written by it."""
        with contextlib.suppress(InputError):
            names = run_files.read_summary(self.path).get("files")
            return [n for n in names if isinstance(n, str) and n == Path(n).name] if isinstance(names, list) else []
        return []


def _difference(earlier: LoadedScenario | None, new: LoadedScenario) -> str | None:
    """The first key that differs, to tell the user which of two scenarios is here."""
    if earlier is None:
        return "a lock file that cannot be read, or whose input files have changed"
    old, now = _flat(earlier.values()), _flat(new.values())
    keys = [k for k in {**old, **now} if k != "scenario.sha256" and old.get(k) != now.get(k)]
    return f"{keys[0]} = {old.get(keys[0])!r} there, {now.get(keys[0])!r} here" if keys else None


def _flat(tables: dict, path: str = "") -> dict[str, object]:
    out: dict[str, object] = {}
    for key, value in tables.items():
        out |= _flat(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return out
