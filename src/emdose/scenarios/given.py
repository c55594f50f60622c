"""A scenario given as tables that hold models, written into the folder of its run, so that it is a whole scenario."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emdose.errors import InputError
from emdose.io.disk.run_files import LOCK_FILE
from emdose.scenarios.folder import INPUTS, RunFolder
from emdose.scenarios.loading import from_tables
from emdose.scenarios.shared.objects.written import Writing
from emdose.scenarios.shared.scenario import LoadedScenario


@contextlib.contextmanager
def given(raw: Mapping[str, Any], out: Path | str | None) -> Iterator[tuple[LoadedScenario, Path]]:
    """The scenario of tables, and its result folder; the files of its models lie in ``inputs`` there.

    They go away again when the run inside fails before it has left anything of worth.

    Parameters
    ----------
    raw : mapping
        Tables by name. A value may be a phantom, coil, implant, waveform or solver in the place of the table that would
        make it; file names are relative to the current folder.
    out : Path or str, optional
        The result folder; by default one named after the scenario.

    Raises
    ------
    InputError
        For what no table and no file of a scenario holds, and as :func:`emdose.scenarios.load`.
    OutputError
        When the files cannot be written.
    """
    folder = RunFolder(out_of(raw) if out is None else out)
    place = folder.path / INPUTS
    new = not place.exists()
    writing = Writing(place)
    plain = writing.tables(raw)
    folder.claim()  # refuses a folder that is not ours, or in use
    try:
        writing.write()
    finally:
        folder.release()
    try:
        yield from_tables(plain, Path("scenario")), folder.path
    except BaseException:
        if new and not (folder.path / LOCK_FILE).exists():
            shutil.rmtree(place, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.path.rmdir()
        raise


def out_of(raw: Mapping[str, Any]) -> Path:
    """The folder of a run that was not told one: named after the scenario, in the current folder."""
    header = raw.get("scenario")
    name = header.get("name") if isinstance(header, Mapping) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise InputError("no folder for the results", field="out", expected="a folder, or a name in the table scenario")
    return Path(f"{name}-result")
