"""The study that the table [uncertainty] of a scenario asks for."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from emdose.errors import InputError
from emdose.scenarios import kinds
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.scenarios.shared.tables import explain
from emdose.scenarios.study.study import Study
from emdose.scenarios.uncertainty_table import KEY, InputTable, UncertaintyTable


def study_of(scenario: LoadedScenario) -> Study:
    """The study of a scenario's own table [uncertainty], with the default laws of its kind where it takes them.

    Parameters
    ----------
    scenario : LoadedScenario
        The scenario.

    Raises
    ------
    InputError
        When it has no such table, its kind has no default laws, or a path names nothing.
    """
    table = table_of(scenario)
    study = Study(scenario, correlation_kind=table.copula_rank)
    rows = list(table.inputs)
    if table.takes_defaults:
        rows += default_rows(scenario, rows)
    for row in rows:
        study = study.vary(row.path, row.made(), together=row.together, name=row.name or "", source=row.source or "")
    for pair in table.correlations:
        study = study.correlate(*pair.inputs, pair.value)
    from emdose.uncertainty.defaults import default_correlations

    stated = {frozenset(pair.inputs) for pair in table.correlations}
    for (first, second), value in default_correlations([r.path for r in rows if r not in table.inputs]).items():
        if frozenset((first, second)) not in stated:
            study = study.correlate(_name(first, rows), _name(second, rows), value)
    for one in table.strata:
        study = study.strata(one.path, one.values, one.weights, one.name or "")
    return study


def _name(path: str, rows: list[InputTable]) -> str:
    return next(row.name or row.path for row in rows if row.path == path)


def default_rows(scenario: LoadedScenario, own: list[InputTable]) -> list[InputTable]:
    """The default laws of the kind of a scenario, without those of paths that the scenario has laws of its own for."""
    found = []
    for raw in kinds.get(scenario.kind).default_laws(scenario):
        try:
            row = InputTable.model_validate(dict(raw))
        except ValidationError as error:  # a kind that somebody else has written
            raise explain(error, raw, scenario.file) from None
        if row.path not in {r.path for r in own}:
            found.append(row)
    if not found and not own:
        raise InputError(
            f"a scenario of kind '{scenario.kind}' has no default laws",
            file=scenario.file,
            field=KEY,
            expected="[[uncertainty.inputs]] with path and law",
        )
    return found


def table_of(scenario: LoadedScenario) -> UncertaintyTable:
    """The table [uncertainty] of a scenario; raises InputError where it has none."""
    table = scenario.uncertainty
    if not isinstance(table, UncertaintyTable):
        expected = f'{KEY} = "default", or a table [{KEY}]'
        raise InputError("nothing is said to be uncertain", file=scenario.file, field=KEY, expected=expected)
    return table


def options_of(table: UncertaintyTable) -> dict[str, Any]:
    """What a table says about how its study is run, as arguments of :meth:`Study.run`."""
    keys = ("method", "runs", "target", "minutes", "degree", "seed", "design", "coverage", "outputs", "executor")
    found = {key: getattr(table, key) for key in keys}
    return {**found, "maps": table.maps or (), "spacing_m": table.spacing_m}
