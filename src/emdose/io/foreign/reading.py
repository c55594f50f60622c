"""Which program wrote a field, and its reader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emdose.checks import one_of, positive
from emdose.errors import InputError
from emdose.io.disk.datasets import opened
from emdose.io.disk.files import plain_file, sha256
from emdose.io.foreign import cosimpy_files, cst, hfss, matlab, openems, plain, vtk_grid
from emdose.io.foreign.joining import joined
from emdose.io.foreign.values import ForeignFields
from emdose.io.touchstone import read_touchstone

PROGRAMS = ("CST", "HFSS", "Sim4Life", "openEMS", "CoSimPy", "MARIE", "plain HDF5", "VTK")
_TOUCHSTONE = re.compile(r"\.s\d+p", re.I)
ENDINGS = (".h5", ".hdf5", ".hdf", ".fld", ".mat", ".vtr", ".vti")


def read_foreign_fields(
    paths: Path | str | Sequence[Path | str],
    *,
    frequency_Hz: float | None = None,
    program: str | None = None,
    touchstone: Path | str | None = None,
) -> ForeignFields:
    """Fields of another program from its files, numbers and axes as they are, with what the files say of them.

    Parameters
    ----------
    paths : Path, str or sequence of these
        A file, several (such as one for each port and field), or a folder whose field files are all meant. A Touchstone
        file among them, or in the folder, is taken as ``touchstone``.
    frequency_Hz : float, optional
        Frequency [Hz]: needed where the files do not say it, and it chooses where they hold several.
    program : str, optional
        One of :data:`PROGRAMS`; found from the content when absent.
    touchstone : Path or str, optional
        Scattering parameters of the same ports in the same order.

    Returns
    -------
    ForeignFields
        Nothing in it is converted; :func:`emdose.io.foreign.values.convention` lists what may differ.

    Raises
    ------
    InputError
        When files are missing, of no such format, or do not fit each other, and when the frequency is not known.
    """
    files = _files(paths)
    network_files = [p for p in files if _TOUCHSTONE.fullmatch(p.suffix)]
    files = [p for p in files if p not in network_files]
    if len(network_files) > (touchstone is None):
        raise InputError("more than one Touchstone file", field="touchstone", found=[p.name for p in network_files])
    if not files:
        raise InputError("no file of a field", field="paths", expected=f"files ending with {', '.join(ENDINGS)}")
    if frequency_Hz is not None:
        positive("frequency_Hz", frequency_Hz, problem="bad frequency", expected="Hz > 0")
    if program is not None:
        one_of("program", program, PROGRAMS, problem="unknown program")
    fields = _read(files, program or _program(files[0]), frequency_Hz)
    table = touchstone if touchstone is not None else next(iter(network_files), None)
    if table is None:
        return fields
    network = read_touchstone(table).at(fields.frequency_Hz)
    try:
        return replace(fields, network=network, files={**fields.files, Path(table).name: sha256(table)})
    except InputError as error:
        raise error.at(file=table) from None


def _read(files: list[Path], program: str, frequency_Hz: float | None) -> ForeignFields:
    hashes = {p.name: sha256(p) for p in files}
    if program in ("CoSimPy", "plain HDF5", "VTK"):
        if len(files) > 1:
            raise InputError(
                "several files where one holds all ports", file=files[1], expected=f"one file of {program}"
            )
        reader: Any = {"CoSimPy": cosimpy_files.read, "plain HDF5": plain.read, "VTK": vtk_grid.read}[program]
        return reader(files[0], frequency_Hz, hashes)
    if program in ("Sim4Life", "MARIE"):
        held = {p: matlab.contents(p) for p in files}
        if program == "MARIE":
            return matlab.marie(held, frequency_Hz, hashes)
        return joined(program, matlab.sim4life_parts(held), frequency_Hz, matlab.SIM4LIFE, hashes)
    if program == "CST":
        return joined(program, cst.parts(files), frequency_Hz, cst.KNOWN, hashes)
    if program == "HFSS":
        return joined(program, hfss.parts(files), frequency_Hz, hfss.KNOWN, hashes)
    return joined(program, openems.parts(files, frequency_Hz), frequency_Hz, openems.KNOWN, hashes)


def _program(path: Path) -> str:
    """Which program wrote a file, by its ending and content."""
    ending = path.suffix.lower()
    if ending in (".vtr", ".vti", ".vts", ".vtu", ".vtk"):
        return "VTK"
    if ending == ".fld":
        return "HFSS"
    if ending == ".mat":
        held = matlab.contents(path)
        if matlab.SOLUTION in held or matlab.BODY in held:
            return "MARIE"
        if "Snapshot0" in held:
            return "Sim4Life"
        raise InputError(
            "no field in this MATLAB file", file=path, found=sorted(held)[:5], expected="Sim4Life or MARIE"
        )
    with opened(path, whole=False) as h5:
        tests = {"CST": cst.is_cst, "CoSimPy": cosimpy_files.is_cosimpy, "openEMS": openems.is_openems}
        for name, test in {**tests, "plain HDF5": plain.is_plain}.items():
            if test(h5):
                return name
        found = sorted(h5)[:6]
    raise InputError("no field that is known in this HDF5 file", file=path, found=found, expected=plain.LAYOUT)


def _files(paths: Path | str | Sequence[Path | str]) -> list[Path]:
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files = []
    for one in map(Path, given):
        if one.is_dir():
            found = (p for p in one.iterdir() if not p.name.startswith("."))
            files += sorted(p for p in found if p.suffix.lower() in ENDINGS or _TOUCHSTONE.fullmatch(p.suffix))
        elif one.suffix.lower() == ".xmf":
            files.append(plain_file(one.with_suffix(".h5"), "the HDF5 file beside the .xmf file"))
        else:
            files.append(plain_file(one, "a file of fields"))
    return list(dict.fromkeys(files))
