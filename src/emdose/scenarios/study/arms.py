"""The cases of a study: one for each stratum, with its scenario, uncertain inputs and their joint law."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.scenarios import kinds
from emdose.scenarios.loading import from_tables
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.scenarios.study import samples
from emdose.scenarios.study.paths import Paths
from emdose.scenarios.study.samples import Sample
from emdose.scenarios.study.uncertain_inputs import UncertainInput, Variation, joint, uncertain_inputs
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.uncertainty.inputs import Inputs

MOST_CASES = 256
NOMINAL = -1


@read_only
@dataclass(frozen=True)
class Stratum:
    """A discrete input, whose values are cases of their own.

    Parameters
    ----------
    path : str
        Key of a table, or argument of a function.
    values : tuple
        Its values: numbers or words.
    weights : tuple of float
        How often each is met; they sum to one.
    name : str
        What it is called.
    """

    path: str
    values: tuple[Any, ...]
    weights: tuple[float, ...]
    name: str


@dataclass(frozen=True)
class StudyArm:
    """One stratum: what is computed, and what is uncertain about it.

    Parameters
    ----------
    name : str
        Values of the strata in words; empty where there are none.
    weight : float
        How often it is met.
    chosen : mapping
        Values of the strata by path.
    uncertain : tuple of UncertainInput
        Uncertain numbers.
    inputs : Inputs or None
        Their joint law; None where nothing but strata varies.
    paths : Paths or None
        The scenario, with the values of the strata; None for a function.
    function : callable or None
        The function.
    maps : tuple of str
        Names of the maps to keep.
    device : str
        Where to compute.
    arguments : mapping
        Of the function, that nothing varies.
    reduced : bool
        Whether samples may begin with the solutions of others.
    """

    name: str
    weight: float
    chosen: Mapping[str, Any]
    uncertain: tuple[UncertainInput, ...]
    inputs: Inputs | None
    paths: Paths | None
    function: Callable[..., Any] | None = None
    maps: tuple[str, ...] = ()
    device: str = "auto"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reduced: bool = True

    @property
    def nominal(self) -> np.ndarray:
        """Nominal values of the inputs, (d,)."""
        return np.array([k.nominal for k in self.uncertain], float)

    def sample(self, x: Sequence[float] | np.ndarray | None = None, index: int = NOMINAL) -> Sample:
        """The sample of values of the inputs (d,), by default the nominal ones.

        Raises
        ------
        InputError
            When the scenario cannot have a value; it names the sample's inputs.
        """
        told: dict[str, Any] = dict(self.chosen)
        values: dict[str, Any] = {}
        for entry, value in zip(self.uncertain, self.nominal if x is None else x, strict=True):
            told[entry.name] = float(value)
            values |= entry.values(float(value))
        if self.paths is None:
            assert self.function is not None
            return samples.of_call(self.function, {**self.arguments, **self.chosen, **values}, told, index)
        how: dict[str, Any] = {"maps": self.maps, "device": self.device, "reduced": self.reduced}
        if x is None:
            return samples.of_loaded(self.paths.scenario, told, index, **how)
        return samples.of_scenario(self.paths, values, told, index, **how)


def cases(
    what: LoadedScenario | Callable[..., Any],
    variations: Sequence[Variation],
    correlations: Sequence[tuple[str, str, float]] = (),
    strata: Sequence[Stratum] = (),
    *,
    correlation_kind: str = "pearson",
    maps: tuple[str, ...] = (),
    device: str = "auto",
    spacing_m: float | None = None,
    reduced: bool = True,
) -> list[StudyArm]:
    """All cases of a study.

    Parameters
    ----------
    what : LoadedScenario or callable
        What is studied.
    variations : sequence of Variation
        Continuous inputs.
    correlations : sequence of (name, name, value)
        See :func:`~emdose.scenarios.study.uncertain_inputs.joint`.
    strata : sequence of Stratum
        Discrete inputs; every combination of their values is a case.
    correlation_kind : "pearson" or "spearman"
        Of the values or of their ranks.
    maps : tuple of str
        Names of the maps to keep.
    device : str
        Where to compute.
    spacing_m : float, optional
        Another grid than that of the scenario [m].
    reduced : bool
        Whether samples may begin with the solutions of others.

    Raises
    ------
    InputError
        For what the scenario does not have, or laws and correlations that cannot be.
    """
    found = []
    for combination in itertools.product(*(list(zip(s.values, s.weights, strict=True)) for s in strata)):
        chosen = {s.path: value for s, (value, _) in zip(strata, combination, strict=True)}
        weight = float(np.prod([w for _, w in combination]))
        name = ", ".join(f"{s.name} {value}" for s, (value, _) in zip(strata, combination, strict=True))
        if isinstance(what, LoadedScenario):
            paths: Paths | None = Paths(_chosen(what, chosen, spacing_m))
            function, arguments = None, {}
        else:
            paths, function = None, what
            arguments = _arguments(what, [v.path for v in variations], list(chosen))
        made = tuple(uncertain_inputs(variations, paths))
        inputs = joint(made, correlations, correlation_kind) if made else None
        found.append(StudyArm(name, weight, chosen, made, inputs, paths, function, maps, device, arguments, reduced))
        if len(found) > MOST_CASES:
            raise InputError("too many strata", field="strata", found=f"more than {MOST_CASES} combinations")
    if not found[0].uncertain and len(found) < 2:
        raise InputError("nothing is uncertain", field="inputs", expected="one input with a law, at least")
    return found


def _chosen(scenario: LoadedScenario, chosen: Mapping[str, Any], spacing_m: float | None) -> LoadedScenario:
    if chosen:
        # Words have no nominal value: a path to one is written in full.
        scenario = from_tables(Paths(scenario).tables(chosen), scenario.file)
    if spacing_m is not None:
        tables = kinds.get(scenario.kind).on_grid(scenario, spacing_m)
        tables["scenario"].pop("sha256", None)
        scenario = from_tables(tables, scenario.file)
    return scenario


def _arguments(function: Callable[..., Any], varied: Sequence[str], chosen: Sequence[str]) -> dict[str, Any]:
    """Defaults of a function's other arguments; raises InputError where an argument is not one, or has no value."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return {}
    for name in [*varied, *chosen]:
        if name not in parameters:
            raise unknown("not an argument of this function", name, list(parameters), field="path")
    others = {n: p for n, p in parameters.items() if n not in varied and n not in chosen}
    for name, p in others.items():
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL:
            raise InputError("an argument without a value", field=name, expected="a law for it, or a default")
    return {}
