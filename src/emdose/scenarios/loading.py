"""From a file to a scenario that has been checked, with its hash."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.io.disk import files
from emdose.io.maps import maps3d
from emdose.scenarios import kinds, uncertainty_table
from emdose.scenarios.shared import tables, toml
from emdose.scenarios.shared.scenario import LoadedScenario


def load(path: Path | str) -> LoadedScenario:
    """Read and check a scenario.

    Parameters
    ----------
    path : Path or str
        A TOML file; file names in it are relative to its folder.

    Raises
    ------
    InputError
        In one line: the file, the key, what stands there and what was expected.
    """
    path = Path(path)
    return from_tables(toml.read(path), path)


def from_tables(raw: Mapping[str, Any], file: Path | str) -> LoadedScenario:
    """Check the parsed tables of a scenario; see :func:`load`."""
    file = Path(file)
    header = raw.get("scenario")
    if not isinstance(header, Mapping):
        raise InputError(
            "missing table" if header is None else "not a table",
            file=file,
            field="scenario",
            found=header,
            expected=f"[scenario] with kind = {kinds.listed()}",
        )
    kind = kinds.get(header.get("kind"), file, "scenario.kind")
    uncertainty = uncertainty_table.checked(raw.get(uncertainty_table.KEY), file)
    raw = kind.completed({k: v for k, v in raw.items() if k != uncertainty_table.KEY})
    try:
        checked: Any = kind.schema().model_validate(raw)
    except ValidationError as error:
        raise tables.explain(error, raw, file) from None
    except RecursionError:
        raise InputError("nested too deeply", file=file) from None
    checked = tables.with_files_at(checked, file.parent)
    identity = _identity(checked, file)
    sha256 = toml.digest(identity)
    if checked.scenario.sha256 is not None and checked.scenario.sha256 != sha256:
        raise InputError(
            "the scenario, or a file it names, is not the one that was locked",
            file=file,
            field="scenario.sha256",
            found=checked.scenario.sha256[:12],
            expected=f"{sha256[:12]}...; remove this key to run it as it is now",
        )
    return LoadedScenario(file, kind.name, checked, sha256, identity, uncertainty)


def bundled_names() -> list[str]:
    """Names of the scenarios that come with emdose."""
    folder = resources.files("emdose.scenarios") / "bundled"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def bundled(name: str) -> Path:
    """File of a scenario that comes with emdose.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    names = bundled_names()
    if name not in names:
        raise unknown("no such demo", name, names)
    return Path(str(resources.files("emdose.scenarios") / "bundled" / f"{name}.toml"))


def _identity(checked: Any, file: Path) -> dict[str, Any]:
    """What tells a scenario from others: its values, and the content of the files they name."""
    contents = {}
    scans = tables.files_of(checked, kind=tables.ScanName)
    for field, address in tables.files_of(checked).items():
        name = maps3d.file_of(address)
        try:
            contents[field] = files.scan_sha256(name) if field in scans else files.sha256(name)
            contents |= {f"{field} {path.suffix}": files.sha256(path) for path in _companions(Path(name))}
        except InputError as error:
            raise InputError(
                error.problem, file=file, field=field, found=name, expected="a file, named relative to the scenario"
            ) from None
    plain: dict[str, Any] = checked.model_dump()
    plain["scenario"].pop("sha256")
    if not plain["scenario"].get("accept"):  # nothing accepted is what scenarios were before they could say so
        plain["scenario"].pop("accept", None)
    for field, address in tables.files_of(checked).items():
        table = plain
        *above, last = field.split(".")
        for key in above:
            table = table[key]
        table[last] = address.removeprefix(maps3d.file_of(address)) or None  # the dataset inside the file counts
    return {"tables": plain, "files": contents}


def _companions(path: Path) -> list[Path]:
    """Files beside a body that readers look at on their own: header and data of a raw body, label table."""
    stem = path.name.removesuffix(".gz").removesuffix(path.with_name(path.name.removesuffix(".gz")).suffix)
    beside = [path.with_name(stem + suffix) for suffix in (".txt", ".raw", ".csv")]
    return [p for p in beside if p != path and p.is_file()]
