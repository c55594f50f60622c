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
class Knob:
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


def knobs(variations: Sequence[Variation], paths: Paths | None) -> list[Knob]:
    """The knobs of variations, at the nominal values of a scenario or of a function (no paths).

    Raises
    ------
    InputError
        For a path that names nothing, is varied twice, or a law that its number cannot have.
    """
    found: list[Knob] = []
    for one in variations:
        found += _of_function(one) if paths is None else _of_scenario(one, paths)
    seen: dict[str, str] = {}
    for knob in found:
        for path in knob.targets:
            if path in seen:
                problem = "an input that is varied twice"
                raise InputError(problem, field=path, found=f"{seen[path]} and {knob.group}", expected="one law")
            seen[path] = knob.group
            _require_possible(knob, path)
    return found


def joint(made: Sequence[Knob], correlations: Sequence[tuple[str, str, float]], kind: str = "pearson") -> Inputs:
    """The joint law of knobs.

    Parameters
    ----------
    made : sequence of Knob
        The knobs.
    correlations : sequence of (name, name, value)
        Names of knobs or of their groups: two groups of as many knobs are correlated one by one.

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


def _called(name: str, made: Sequence[Knob]) -> list[Knob]:
    found = [k for k in made if name in (k.name, k.group) or _is_path_of(name, k)]
    if not found:
        names = list(dict.fromkeys(n for k in made for n in (k.group, k.name)))
        raise unknown("a correlation of an input that is not there", name, names, field="correlations")
    return found


def _is_path_of(name: str, knob: Knob) -> bool:
    """Whether a name is the path of the one number that a knob moves, perhaps without its unit."""
    try:
        return len(knob.targets) == 1 and matches(toml.steps_of(name), toml.steps_of(next(iter(knob.targets))))
    except InputError:
        return False


def _of_function(one: Variation) -> list[Knob]:
    law = one.law if one.nominal is None else one.law.at(one.nominal)
    if not law.absolute:
        expected = "nominal=..., or a default of the argument"
        raise InputError("a law without a nominal value", field=one.path, found=str(law), expected=expected)
    nominal = float(law.mean) if one.nominal is None else one.nominal
    return [
        Knob(one.name or one.path, one.name or one.path, "", one.source, law, nominal, "value", {one.path: nominal})
    ]


def _of_scenario(one: Variation, paths: Paths) -> list[Knob]:
    full = paths.resolved(one.path)
    nominal = {path: paths.nominal[path] for path in full}
    name = one.name or (one.path if len(full) > 1 else full[0])
    if len(full) == 1 or not one.together:
        many = len(full) > 1
        return [
            Knob(
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
        return [Knob(name, name, unit_of(full[0]), one.source, one.law, first, "value", nominal)]
    if getattr(one.law, "relative", None) is not None:
        return [Knob(name, name, "1", one.source, one.law.at(1.0), 1.0, "factor", nominal)]
    return [Knob(name, name, unit_of(full[0]), one.source, one.law.at(0.0), 0.0, "shift", nominal)]


def _differs(path: str, asked: str) -> str:
    """What a path of a group has in place of the star."""
    before, _, after = asked.partition("*")
    rest = path.removeprefix(before)
    return rest[: len(rest) - len(after)] if after and rest.endswith(after) else rest.partition(".")[0]


def _require_possible(knob: Knob, path: str) -> None:
    """Raise InputError where a law allows negative values of a number that has none."""
    if not path.rpartition(".")[2].startswith(NOT_NEGATIVE) and "relative_permittivity" not in path:
        return
    if knob.how == "shift":
        low = knob.law.support[0]
        if low < 0 and float(knob.law.cdf(-knob.targets[path])) > 1e-12:
            expected = "a smaller sd, or LogNormal(relative=...) or TruncatedNormal(relative=...)"
            raise InputError("a law that allows values <= 0", field=path, found=str(knob.law), expected=expected)
        return
    if knob.targets[path] != 0:
        knob.law.require_positive(path)
