"""The folder of a study: whose it is, and what may lie in it."""

from __future__ import annotations

from pathlib import Path

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.io.disk.claim import FolderClaim
from emdose.io.disk.run_files import LOCK_FILE
from emdose.scenarios.study.result import STUDY_FILE, TABLE, read_json
from emdose.scenarios.study.runner import SAMPLES
from emdose.scenarios.study.samples import RUNS

OWNER, IDENTITY = ".studying", "identity"
SHARED = "shared"
"""Where the workers of a study leave for each other what they need again."""
OURS = {STUDY_FILE, SAMPLES, OWNER, IDENTITY, SHARED, LOCK_FILE, f"{TABLE}.npz", "study.html", "runs.html", RUNS}


def claimed(folder: Path | None, identity: str, force: bool, lock: str = "") -> FolderClaim | None:
    """The folder of a study for this process, with its identity and the lock of its scenario.

    Parameters
    ----------
    folder : Path or None
        Where; None claims nothing.
    identity : str
        Hash of what is studied.
    force : bool
        Take the folder of another study.
    lock : str
        The scenario with every default spelled out; empty for a function.

    Raises
    ------
    InputError
        Where it holds another study, or other things.
    """
    if folder is None:
        return None
    if folder.exists() and not folder.is_dir():
        raise InputError("this is a file", file=folder, expected="a folder for the study")
    there = read_json(folder)
    names = sorted(p.name for p in folder.iterdir()) if folder.exists() else []
    others = [n for n in names if n not in OURS and not n.startswith(".")]
    if others:
        expected = "an empty or new folder: choose another --out"
        raise InputError("not a folder of a study", file=folder, found=others[0], expected=expected)
    known = _known(folder) or (there or {}).get("identity")
    if known not in (None, identity) and not force:
        found = "other inputs, laws, design or scenario"
        expected = "another --out, or --force"
        raise InputError("this folder belongs to another study", file=folder, found=found, expected=expected)
    folder.mkdir(parents=True, exist_ok=True)
    claim = FolderClaim(folder / OWNER)
    claim.acquire()
    for place in (folder, folder / SAMPLES):  # what a killed study was writing
        for part in place.glob(f".*{atomic.PART}"):
            part.unlink(missing_ok=True)
    (folder / IDENTITY).write_text(identity, encoding="utf-8")
    if lock:
        atomic.write_text(folder / LOCK_FILE, lock)
    return claim


def _known(folder: Path) -> str | None:
    try:
        return (folder / IDENTITY).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
