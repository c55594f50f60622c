"""The table [uncertainty] that a scenario of any kind can have: which inputs are uncertain, and how that is studied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from emdose.checks import is_number
from emdose.errors import InputError
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.tables import (
    Quantity,
    Table,
    bad_value,
    count,
    explain,
    number,
    switch,
    text,
    texts,
)

KEY = "uncertainty"
DEFAULT = "default"
NOT_OF_LAW = ("path", "law", "together", "name", "source")


def _path() -> Quantity:
    expected = "a path into the scenario, such as 'phantom.tissues.fat.conductivity_S_m' or 'coil.centre_m[2]'"

    def check(value: Any) -> str:
        try:
            toml.steps_of(value)
        except InputError:
            raise bad_value(expected) from None
        return str(value)

    return Quantity(check, expected)


def _any_values() -> Quantity:
    expected = "a list of 2 to 64 numbers or words"

    def check(value: Any) -> tuple[Any, ...]:
        good = isinstance(value, list | tuple) and 2 <= len(value) <= 64
        if not good or not all(is_number(v) or (isinstance(v, str) and v.strip()) for v in value):
            raise bad_value(expected)
        return tuple(value)

    return Quantity(check, expected)


def _weights() -> Quantity:
    expected = "a list of numbers > 0"

    def check(value: Any) -> tuple[float, ...]:
        if not isinstance(value, list | tuple) or not all(is_number(v) and v > 0 for v in value):
            raise bad_value(expected)
        return tuple(float(v) for v in value)

    return Quantity(check, expected)


def _executor() -> Quantity:
    expected = "'serial', 'threads', 'processes', each with or without ':' and a count, or 'dask://host:port'"

    def check(value: Any) -> str:
        name, colon, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
        local = name in ("serial", "threads", "processes") and (not colon or (rest.isdigit() and int(rest) > 0))
        if not local and not (name == "dask" and len(rest) > 2):
            raise bad_value(expected)
        return str(value)

    return Quantity(check, expected)


def _spacing() -> Quantity:
    expected = "'own', 'auto' or a voxel size in metres, > 0"

    def check(value: Any) -> str | float:
        if value in ("own", "auto"):
            return str(value)
        if not is_number(value) or value <= 0:
            raise bad_value(expected)
        return float(value)

    return Quantity(check, expected)


Path = Annotated[str, _path()]
Number = Annotated[float, number("a number")]
Positive = Annotated[float, number("a number", 0, above=True)]
Share = Annotated[float, number("a fraction", 0, above=True)]


class InputTable(Table):
    """One uncertain input: a path, or a group of paths with ``*``, and the law of its values.

    A law is relative to the nominal value (``relative``), shifted to it (``sd`` without ``mean``), or absolute.
    """

    path: Path
    law: Annotated[str, text("the name of a law, such as 'normal', 'log-normal' or 'uniform'")] = "normal"
    relative: Share | None = None
    sd: Positive | None = None
    mean: Number | None = None
    low: Number | None = None
    high: Number | None = None
    mode: Number | None = None
    half_width: Positive | None = None
    a: Positive | None = None
    b: Positive | None = None
    scale: Positive | None = None
    dof: Positive | None = None
    values: Annotated[tuple[Any, ...], _any_values()] | None = None
    weights: Annotated[tuple[float, ...], _weights()] | None = None
    together: Annotated[bool, switch("one common factor for a group, instead of one each")] = True
    name: Annotated[str, text("a short name", longest=60)] | None = None
    source: Annotated[str, text("where the law comes from", longest=400)] | None = None

    @model_validator(mode="after")
    def _is_a_law(self) -> InputTable:
        try:
            self.made()
        except InputError as error:
            raise bad_value(f"a law that is possible: {error}") from None
        return self

    def made(self) -> Any:
        """The law."""
        from emdose.uncertainty.laws import law_of_dict

        given = {k: v for k in type(self).model_fields if k not in NOT_OF_LAW and (v := getattr(self, k)) is not None}
        return law_of_dict({"law": self.law, **given})


class CorrelationTable(Table):
    """Two inputs that move together."""

    inputs: Annotated[tuple[str, ...], texts("two names or paths of inputs")]
    value: Annotated[float, number("a correlation coefficient", -1, 1)]

    @model_validator(mode="after")
    def _two(self) -> CorrelationTable:
        if len(self.inputs) != 2 or self.inputs[0] == self.inputs[1]:
            raise bad_value("inputs = two different names or paths")
        return self


class StrataTable(Table):
    """A discrete input, whose values are cases of their own: a landmark, a posture, the size of an implant."""

    path: Path
    values: Annotated[tuple[Any, ...], _any_values()]
    weights: Annotated[tuple[float, ...], _weights()] | None = None
    name: Annotated[str, text("a short name", longest=60)] | None = None

    @model_validator(mode="after")
    def _fit(self) -> StrataTable:
        if self.weights is not None and len(self.weights) != len(self.values):
            raise bad_value("as many weights as values")
        return self


class UncertaintyTable(Table):
    """What is uncertain, and how its consequences are found."""

    method: Literal["budget", "chaos", "monte-carlo"] = "budget"
    runs: Annotated[int, count("samples at the most", 2, 10_000_000)] | None = None
    target: Annotated[float, number("a relative leave-one-out error", 0, 1, above=True)] | None = None
    minutes: Positive | None = None
    degree: Annotated[int, count("degree of the polynomials", 1, 20)] | None = None
    seed: Annotated[int, count("seed of the design", 0, 2**31 - 1)] = 1
    design: Literal["sobol", "latin hypercube", "halton", "random"] = "sobol"
    spacing_m: Annotated[float | Literal["auto", "own"], _spacing()] = "auto"
    coverage: Annotated[float, number("a probability", 0.5, 0.9999)] = 0.95
    outputs: Annotated[tuple[str, ...], texts("names of quantities")] | None = None
    maps: Annotated[tuple[str, ...], texts("names of maps")] | None = None
    trials: Annotated[int, count("trials of the model beside the polynomials", 8, 10_000_000)] | None = None
    reduced: Annotated[bool, switch("whether samples may begin with the solutions of others")] = True
    executor: Annotated[str, _executor()] = "serial"
    defaults: Annotated[bool, switch("the default laws of this kind of scenario as well")] | None = None
    copula_rank: Literal["pearson", "spearman"] = "pearson"
    inputs: tuple[InputTable, ...] = ()
    correlations: tuple[CorrelationTable, ...] = ()
    strata: tuple[StrataTable, ...] = Field(default=())

    @property
    def takes_defaults(self) -> bool:
        """Whether the default laws of the kind are varied: always where nothing else is."""
        return not (self.inputs or self.strata) if self.defaults is None else self.defaults

    def plain(self) -> dict[str, Any]:
        """Plain values for a lock file."""
        values: dict[str, Any] = self.model_dump(exclude_none=True)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v != ()}


def checked(raw: Any, file: object = None) -> UncertaintyTable | None:
    """The table [uncertainty] of a scenario, or None where it has none; the word "default" stands for an empty table.

    Raises
    ------
    InputError
        In one line, as of every table.
    """
    if raw is None or isinstance(raw, UncertaintyTable):
        return raw
    if isinstance(raw, str) and raw == DEFAULT:
        raw = {}
    if not isinstance(raw, Mapping):
        expected = f'"{DEFAULT}", or a table [{KEY}]'
        raise InputError("bad value", file=file, field=KEY, found=raw, expected=expected)
    try:
        return UncertaintyTable.model_validate(raw)
    except ValidationError as error:
        raise explain(error, raw, file).at(field=_field(error, raw, file)) from None


def _field(error: ValidationError, raw: Mapping[str, Any], file: object) -> str:
    told = explain(error, raw, file).field
    return f"{KEY}.{told}" if told else KEY
