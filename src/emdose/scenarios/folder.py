"""The folder of a run: whose it is, whether it is finished, and what may be done to it."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Literal

from emdose.errors import EmdoseError, InputError, OutputError
from emdose.io.disk import atomic, run_files
from emdose.scenarios.gate import validity
from emdose.scenarios.loading import load
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.solvers.running import PART_PREFIX

State = Literal["new", "resumed", "finished"]
CHECKPOINT = "checkpoint"
OWNER = ".running"


class RunFolder:
    """A result folder while a run may write to it.

    Parameters
    ----------
    path : Path or str
        The folder; it need not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._made: list[Path] = []

    @property
    def checkpoint(self) -> Path:
        """Folder of the solved ports."""
        return self.path / CHECKPOINT

    def claim(self, scenario: LoadedScenario, *, resume: bool = False, force: bool = False) -> State:
        """Make the folder ready for a scenario, or find that it has been run already.

        Parameters
        ----------
        scenario : LoadedScenario
            What shall be run.
        resume : bool
            Go on with an unfinished run of the same scenario.
        force : bool
            Throw away what an earlier run of emdose left here.

        Returns
        -------
        str
            "new", also when its result is there but not valid; "resumed" when solved ports of this scenario are there;
            "finished" when its result is there.

        Raises
        ------
        InputError
            When the folder holds other things, another scenario, or an unfinished run and neither ``resume`` nor
            ``force`` says what to do with it.
        OutputError
            When it cannot be made or written, or another process is running in it.
        """
        self._require_ours()
        self._require_idle()
        lock = self.path / run_files.LOCK_FILE
        if lock.exists() and not force:
            earlier = self._earlier(lock)
            if earlier is None or earlier.sha256 != scenario.sha256:
                raise InputError(
                    "the scenario has changed, cannot resume" if resume else "this folder belongs to another scenario",
                    file=self.path,
                    found=_difference(earlier, scenario),
                    expected="another --out, or --force",
                )
            if self.finished and self._valid():
                return "finished"
            if any(self.checkpoint.glob(f"{PART_PREFIX}*.npz")) and not resume:
                raise InputError(
                    "an unfinished run is here",
                    file=self.path,
                    expected="--resume to go on with it, or --force to start again",
                )
        self._make()
        self._clean(keep_checkpoint=resume and not force)
        atomic.write_text(lock, scenario.lock())
        atomic.write_text(self.path / OWNER, f"{os.getpid()}\n")
        return "resumed" if self.checkpoint.exists() else "new"

    @property
    def finished(self) -> bool:
        """Whether a run has been completed here: the summary is the last file to appear."""
        return (self.path / run_files.SUMMARY_FILE).exists() and (self.path / run_files.RESULT_FILE).exists()

    def _valid(self) -> bool:
        """Whether what was completed here may be served; one that is not valid, or cannot be judged, may not."""
        try:
            return validity(run_files.read_summary(self.path), self.path).is_valid
        except InputError:
            return True  # whoever reads it says what is wrong

    def release(self) -> None:
        """Stop owning the folder; what was made for a run that has left nothing of worth goes away."""
        with contextlib.suppress(OSError):
            (self.path / OWNER).unlink(missing_ok=True)
        if not self.finished and not self.checkpoint.exists():
            with contextlib.suppress(OSError):
                (self.path / run_files.LOCK_FILE).unlink(missing_ok=True)
                for folder in reversed(self._made):
                    folder.rmdir()

    def _require_ours(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise InputError("this is a file", file=self.path, expected="a folder for the results")
        try:
            found = sorted(p.name for p in self.path.iterdir() if not p.name.endswith(atomic.PART) and p.name != OWNER)
        except OSError as error:
            raise atomic.output_error(error, self.path) from error
        if found and run_files.LOCK_FILE not in found:
            raise InputError(
                "not a result folder of emdose",
                file=self.path,
                found=found[0],
                expected="an empty or new folder: choose another --out",
            )

    def _require_idle(self) -> None:
        import psutil

        try:
            pid = int((self.path / OWNER).read_text())
            started = (self.path / OWNER).stat().st_mtime
            # A process that began after the file was written has only inherited the number.
            alive = pid != os.getpid() and psutil.Process(pid).create_time() <= started + 1
        except (OSError, ValueError, psutil.Error):
            return
        if alive:
            raise OutputError(f"{self.path}: another emdose (process {pid}) is running in this folder")

    def _earlier(self, lock: Path) -> LoadedScenario | None:
        try:
            return load(lock)
        except EmdoseError:
            return None

    def _make(self) -> None:
        missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.output_error(error, self.path) from error
        self._made = missing[::-1]

    def _clean(self, keep_checkpoint: bool) -> None:
        """Remove what an earlier run left: its results are not those of the run that begins."""
        ours = {
            run_files.SUMMARY_FILE,
            run_files.RESULT_FILE,
            run_files.FIELDS_FILE,
            run_files.REPORT_FILE,
            OWNER,
            *self._listed(),
        }
        try:
            for path in [self.path / name for name in ours] + [*self.path.glob(f".*{atomic.PART}")]:
                path.unlink(missing_ok=True)
            if not keep_checkpoint and self.checkpoint.exists():
                shutil.rmtree(self.checkpoint)
        except OSError as error:
            raise atomic.output_error(error, self.path) from error

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
