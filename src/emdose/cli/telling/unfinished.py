"""What is left of a run that was stopped, in words."""

from __future__ import annotations

from pathlib import Path


class Interrupted(Exception):  # noqa: N818
    """Ctrl-C, with the words that tell the user what is kept."""


def kept_parts(out: Path) -> int:
    """How many parts of an unfinished solution are kept."""
    from emdose.io.disk.checkpoint import FolderCheckpoint
    from emdose.scenarios.folder import CHECKPOINT

    try:
        return len(FolderCheckpoint(out / CHECKPOINT, "").parts)
    except OSError:
        return 0


def is_solved(out: Path) -> bool:
    """Whether a complete solution is kept."""
    from emdose.io.disk.checkpoint import FolderCheckpoint
    from emdose.scenarios.folder import SOLUTION, SOLVED

    return FolderCheckpoint(out / SOLUTION, "").has(SOLVED)


def how_to_go_on(out: Path, noun: str) -> str:
    """What is kept of a run that was stopped, and the option that goes on."""
    kept = kept_parts(out)
    if kept:
        return f"{kept} {noun}{'s are' if kept > 1 else ' is'} kept: the same command with --resume goes on"
    return "what was solved is kept" if is_solved(out) else f"there is no {noun} yet, nothing is kept"
