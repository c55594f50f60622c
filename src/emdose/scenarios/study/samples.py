"""The samples of a study: plain data that any process can compute, each with a key of all that it depends on."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emdose import resources
from emdose.io.disk import atomic
from emdose.io.disk.run_files import file_stems, to_json
from emdose.io.maps import maps3d
from emdose.scenarios.loading import from_tables
from emdose.scenarios.shared import tables
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.scenarios.study.paths import Paths
from emdose.scenarios.uncertainty_table import KEY as UNCERTAINTY

CALL, SOLVE = "call", "solve"
RUNS = "runs"


@dataclass(frozen=True)
class Sample:
    """One set of values of the inputs, and what another process needs to compute its numbers.

    Parameters
    ----------
    index : int
        Its place in the design; -1 for the nominal values.
    key : str
        Hash of all that its numbers depend on.
    inputs : mapping
        Value of every input by its name.
    task : mapping
        Plain data: a locked scenario, or the arguments of a function.
    """

    index: int
    key: str
    inputs: Mapping[str, Any]
    task: Mapping[str, Any] = field(repr=False)


def of_scenario(
    paths: Paths,
    values: Mapping[str, Any],
    inputs: Mapping[str, Any],
    index: int,
    *,
    maps: tuple[str, ...] = (),
    device: str = "auto",
    reduced: bool = True,
) -> Sample:
    """The sample of a scenario with other values.

    Parameters
    ----------
    paths : Paths
        The scenario.
    values : mapping
        Values by paths in full.
    inputs : mapping
        Values of the inputs, which these follow from.
    index : int
        Place in the design.
    maps : tuple of str
        Names of the maps to keep.
    device : str
        Where to compute.
    reduced : bool
        Whether it may begin with the solutions of others.

    Raises
    ------
    InputError
        When a value is none that the scenario may have; it names the input.
    """
    scenario = paths.scenario
    one = from_tables(paths.tables(values), scenario.file)
    return of_loaded(one, inputs, index, maps=maps, device=device, reduced=reduced)


def of_loaded(
    scenario: LoadedScenario,
    inputs: Mapping[str, Any],
    index: int,
    *,
    maps: tuple[str, ...] = (),
    device: str = "auto",
    reduced: bool = True,
) -> Sample:
    """A scenario as a sample of a study."""
    told = [scenario.sha256, resources.code_sha256(), list(maps), *([] if reduced else ["on its own"])]
    task = {
        "what": SOLVE,
        "tables": _plain(scenario.values()),
        "file": str(scenario.file),
        "maps": list(maps),
        "device": device,
        "reduced": reduced,
    }
    return Sample(index, _hash(told), dict(inputs), task)


def sample_name(case: str, n: int) -> str:
    """What the n-th sample of a case is called, from 1."""
    return f"{case} {n + 1}".strip()


def scenario_path(folder: Path, name: str) -> Path:
    """Where a study keeps the scenario of a sample."""
    return folder / RUNS / f"{file_stems([name])[name]}.toml"


def write_scenarios(folder: Path, cases: Mapping[str, Iterable[Sample]]) -> None:
    """Put the scenarios of samples into the folder of their study, for ``emdose run``; they have no study of their own.

    Parameters
    ----------
    folder : Path
        Of the study.
    cases : mapping of str to iterable of Sample
        By case; samples of a function have no scenario.

    Raises
    ------
    OutputError
        When one cannot be written.
    """
    for case, made in cases.items():
        for n, sample in enumerate(made):
            if sample.task["what"] != SOLVE:
                return
            one = from_tables({**sample.task["tables"], UNCERTAINTY: None}, Path(sample.task["file"]))
            path = scenario_path(folder, sample_name(case, n))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise atomic.output_error(error, path.parent) from error
            atomic.write_text(path, one.lock())


def files_of(scenario: LoadedScenario | Callable[..., Any]) -> dict[str, str]:
    """SHA-256 (hex) of the files that a scenario names, by path: what its workers have to read too."""
    if not isinstance(scenario, LoadedScenario):
        return {}
    sums = scenario.identity.get("files") or {}
    named = {field: maps3d.file_of(address) for field, address in tables.files_of(scenario.tables).items()}
    return {str(path): sums[field] for field, path in named.items() if field in sums}


def of_call(function: Callable[..., Any], values: Mapping[str, Any], inputs: Mapping[str, Any], index: int) -> Sample:
    """The sample of a function: its arguments."""
    key = _hash([_source(function), sorted(values.items())])
    return Sample(index, key, dict(inputs), {"what": CALL, "arguments": _plain(values)})


def _source(function: Callable[..., Any]) -> str:
    """The text of a function, by which a changed one is told from what it was; its name where there is no text."""
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    try:
        return f"{name} {inspect.getsource(function)}"
    except (OSError, TypeError):
        return name


def _hash(told: Any) -> str:
    return hashlib.sha256(to_json(told, exact=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Values as JSON gives them back, without entries that say nothing."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value
