"""What a study turns: uncertain inputs with their laws at the nominal values, and the paths that each of them moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.scenarios.shared import toml
from emdose.scenarios.study.paths import Paths, matches, unit_of
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.uncertainty.inputs import Inputs
    from emdose.uncertainty.laws import Law

NOT_NEGATIVE = (
    "conductivity",
    "permittivity",
    "density",
    "heat_capacity",
    "perfusion",
    "radius",
    "length",
    "spacing",
    "mass",
)
"""Beginnings of the last key of numbers that are never negative, whatever a law allows."""


@read_only
@dataclass(frozen=True)
class Variation:
    """An input as it was asked for.

    Parameters
    ----------
    path : str
        Path, group of paths, or argument of a function.
    law : Law
        Its law.
    together : bool
        One common factor (relative law), shift or value for a group, instead of one each.
    name : str
        Short name; the path where it is empty.
    nominal : float, optional
        Nominal value of the argument of a function.
    source : str
        Where the law comes from.
    """

    path: str
    law: Law
    together: bool = True
    name: str = ""
    nominal: float | None = None
    source: str = ""


@dataclass(frozen=True)
class UncertainInput:
    """One uncertain number and what it moves.

    Parameters
    ----------
    name, group, unit, source : str
        Name, the variation it belongs to, unit of its values, and where its law comes from.
    law : Law
        Absolute law of its values.
    nominal : float
        Value that changes nothing.
    how : "value", "factor" or "shift"
        Whether its value is that of the targets, or a common factor or shift of their nominal values.
    targets : mapping
        Nominal values by paths in full.
    """

    name: str
    group: str
    unit: str
    source: str
    law: Law
    nominal: float
    how: str
    targets: Mapping[str, float] = field(default_factory=dict)

    def values(self, x: Any) -> dict[str, Any]:
        """Values of the targets."""
        if self.how == "factor":
            return {path: nominal * x for path, nominal in self.targets.items()}
        if self.how == "shift":
            return {path: nominal + x for path, nominal in self.targets.items()}
        return dict.fromkeys(self.targets, x)


def uncertain_inputs(variations: Sequence[Variation], paths: Paths | None) -> list[UncertainInput]:
    """The uncertain inputs of variations, at the nominal values of a scenario or of a function (no paths).

    Raises
    ------
    InputError
        For a path that names nothing, is varied twice, or a law that its number cannot have.
    """
    found: list[UncertainInput] = []
    for one in variations:
        found += _of_function(one) if paths is None else _of_scenario(one, paths)
    seen: dict[str, str] = {}
    for entry in found:
        for path in entry.targets:
            if path in seen:
                problem = "an input that is varied twice"
                raise InputError(problem, field=path, found=f"{seen[path]} and {entry.group}", expected="one law")
            seen[path] = entry.group
            _require_possible(entry, path)
    return found


def joint(
    made: Sequence[UncertainInput], correlations: Sequence[tuple[str, str, float]], kind: str = "pearson"
) -> Inputs:
    """The joint law of uncertain inputs.

    Parameters
    ----------
    made : sequence of UncertainInput
        The uncertain inputs.
    correlations : sequence of (name, name, value)
        Names of uncertain inputs or of their groups: two groups of as many are correlated one by one.

    Raises
    ------
    InputError
        For a name that is none, groups that do not fit each other, and correlations that no laws can have together.
    """
    from emdose.uncertainty.inputs import Input, Inputs

    pairs: dict[tuple[str, str], float] = {}
    for first, second, value in correlations:
        a, b = (_called(name, made) for name in (first, second))
        if len(a) != len(b):
            problem = "two groups of different sizes cannot be correlated"
            raise InputError(problem, field="correlations", found=f"{first}: {len(a)}, {second}: {len(b)}")
        pairs |= {(i.name, j.name): value for i, j in zip(a, b, strict=True)}
    given = tuple(Input(k.name, k.law, k.nominal, unit=k.unit, group=k.group, source=k.source) for k in made)
    return Inputs(given, pairs or None, kind)


def _called(name: str, made: Sequence[UncertainInput]) -> list[UncertainInput]:
    found = [k for k in made if name in (k.name, k.group) or _is_path_of(name, k)]
    if not found:
        names = list(dict.fromkeys(n for k in made for n in (k.group, k.name)))
        raise unknown("a correlation of an input that is not there", name, names, field="correlations")
    return found


def _is_path_of(name: str, entry: UncertainInput) -> bool:
    """Whether a name is the path of the one number that a entry moves, perhaps without its unit."""
    try:
        return len(entry.targets) == 1 and matches(toml.steps_of(name), toml.steps_of(next(iter(entry.targets))))
    except InputError:
        return False


def _of_function(one: Variation) -> list[UncertainInput]:
    law = one.law if one.nominal is None else one.law.at(one.nominal)
    if not law.absolute:
        expected = "nominal=..., or a default of the argument"
        raise InputError("a law without a nominal value", field=one.path, found=str(law), expected=expected)
    nominal = float(law.mean) if one.nominal is None else one.nominal
    return [
        UncertainInput(
            one.name or one.path, one.name or one.path, "", one.source, law, nominal, "value", {one.path: nominal}
        )
    ]


def _of_scenario(one: Variation, paths: Paths) -> list[UncertainInput]:
    full = paths.resolved(one.path)
    nominal = {path: paths.nominal[path] for path in full}
    name = one.name or (one.path if len(full) > 1 else full[0])
    if len(full) == 1 or not one.together:
        many = len(full) > 1
        return [
            UncertainInput(
                f"{name}: {_differs(path, one.path)}" if many and one.name else (path if many else name),
                name,
                unit_of(path),
                one.source,
                one.law.at(value),
                value,
                "value",
                {path: value},
            )
            for path, value in nominal.items()
        ]
    if one.law.absolute:
        first = next(iter(nominal.values()))
        return [UncertainInput(name, name, unit_of(full[0]), one.source, one.law, first, "value", nominal)]
    if getattr(one.law, "relative", None) is not None:
        return [UncertainInput(name, name, "1", one.source, one.law.at(1.0), 1.0, "factor", nominal)]
    return [UncertainInput(name, name, unit_of(full[0]), one.source, one.law.at(0.0), 0.0, "shift", nominal)]


def _differs(path: str, asked: str) -> str:
    """What a path of a group has in place of the star."""
    before, _, after = asked.partition("*")
    rest = path.removeprefix(before)
    return rest[: len(rest) - len(after)] if after and rest.endswith(after) else rest.partition(".")[0]


def _require_possible(entry: UncertainInput, path: str) -> None:
    """Raise InputError where a law allows negative values of a number that has none."""
    if not path.rpartition(".")[2].startswith(NOT_NEGATIVE) and "relative_permittivity" not in path:
        return
    if entry.how == "shift":
        low = entry.law.support[0]
        if low < 0 and float(entry.law.cdf(-entry.targets[path])) > 1e-12:
            expected = "a smaller sd, or LogNormal(relative=...) or TruncatedNormal(relative=...)"
            raise InputError("a law that allows values <= 0", field=path, found=str(entry.law), expected=expected)
        return
    if entry.targets[path] != 0:
        entry.law.require_positive(path)
