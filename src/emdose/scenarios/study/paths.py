"""Paths into a scenario: what they name, its nominal value, and the tables of the same scenario with other values."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from emdose.checks import did_you_mean, unknown
from emdose.errors import InputError
from emdose.models.bodies.tissues import TissueTable
from emdose.scenarios import kinds
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.scenario import LoadedScenario

GROUP = "*"
UNIT = re.compile(r"(m|Hz|T|kg|S_m|kg_m3|W_kg|W|V_m|degC|deg|F|ohm|s|K|J_kg_K|W_m_K|mL_min_kg|W_m2_K|T_m|T_m_s|T_s)$")
"""Units that a key may end with, and that a path may leave out."""
ALSO = {"permittivity": "relative_permittivity"}
TISSUES = ("phantom", "tissues")

Steps = tuple[str | int, ...]


class Paths:
    """The numbers of a scenario by their path.

    Parameters
    ----------
    scenario : LoadedScenario
        The scenario.
    """

    def __init__(self, scenario: LoadedScenario) -> None:
        self.scenario = scenario
        self.nominal: dict[str, float] = dict(kinds.get(scenario.kind).inputs(scenario))
        self._steps = {path: toml.steps_of(path) for path in self.nominal}

    def resolved(self, path: str) -> tuple[str, ...]:
        """The paths in full of a path, or of a group.

        Parameters
        ----------
        path : str
            Keys with dots, ``[i]`` for an entry of a list, ``*`` for every key or entry. Units may be left out.

        Raises
        ------
        InputError
            When it names no number; it says what it may have meant.
        """
        asked = toml.steps_of(path)
        found = self._matching(asked)
        if not found and asked[:2] == TISSUES and len(asked) > 2:
            name = TissueTable.default().resolve(str(asked[2]))
            found = self._matching((*TISSUES, name, *asked[3:])) if name else []
        if not found:
            raise self._unknown(path, asked)
        return tuple(found)

    def tables(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Plain tables of the same scenario with other values; paths in full, of numbers or of any key of a table."""
        plain: dict[str, Any] = _plain(self.scenario.values())
        plain["scenario"].pop("sha256", None)
        for path, value in values.items():
            self._set(plain, path, value)
        return plain

    def _matching(self, asked: Steps) -> list[str]:
        return [path for path, steps in self._steps.items() if matches(asked, steps)]

    def _set(self, plain: dict[str, Any], path: str, value: Any) -> None:
        steps = toml.steps_of(path)
        table: Any = plain
        for n, step in enumerate(steps[:-1]):
            if isinstance(table, dict) and table.get(str(step)) is None:
                table[str(step)] = self._new(steps[: n + 1], steps[n + 1])
            try:
                table = table[step]
            except (KeyError, IndexError, TypeError):
                table = None
            if not isinstance(table, dict | list):
                raise self._unknown(path, steps)
        if isinstance(table, list) != isinstance(steps[-1], int) or (
            isinstance(table, list) and int(steps[-1]) >= len(table)
        ):
            raise self._unknown(path, steps)
        table[steps[-1]] = value

    def _new(self, steps: Steps, inside: str | int) -> Any:
        """What is to stand where a table says nothing: a table, or a list of nominal values."""
        if isinstance(inside, str):
            return {}
        entries = [p for p, s in self._steps.items() if s[:-1] == steps and isinstance(s[-1], int)]
        return [self.nominal[p] for p in sorted(entries, key=lambda p: int(self._steps[p][-1]))]

    def _unknown(self, path: str, asked: Steps) -> InputError:
        file, field = self.scenario.file, "path"
        names = {p: s for p, s in self._steps.items() if s[0] == asked[0]}
        if not names:
            return unknown("a path that names nothing", path, _firsts(self._steps.values()), file=file, field=field)
        depth = 1
        while depth < len(asked) and any(matches(asked[: depth + 1], s[: depth + 1]) for s in names.values()):
            depth += 1
        near = [s for s in names.values() if matches(asked[:depth], s[:depth]) and len(s) > depth]
        choices = list(dict.fromkeys(str(s[depth]) for s in near))
        where = toml.dotted(asked[:depth])
        if not choices:
            return InputError("a path that goes too far", file=file, field=field, found=path, expected=where)
        if depth == len(asked):
            expected = f"a number in it: {', '.join(choices[:12])}"
            return InputError(
                "a path that names a table, not a number", file=file, field=field, found=path, expected=expected
            )
        hint = did_you_mean(str(asked[depth]), choices)
        expected = f"in {where}: {', '.join(choices[:12])}{', ...' if len(choices) > 12 else ''}"
        return InputError("a path that names nothing", file=file, field=field, found=path, expected=expected, hint=hint)


def same_key(asked: str | int, known: str | int) -> bool:
    """Whether a step of a path means a key: itself, with its unit left out, or ``*``."""
    if asked in (known, GROUP):
        return True
    if isinstance(asked, int) or isinstance(known, int):
        return False
    if ALSO.get(asked) == known:
        return True
    return known.startswith(f"{asked}_") and UNIT.fullmatch(known[len(asked) + 1 :]) is not None


def unit_of(path: str) -> str:
    """The unit that the last key of a path ends with, such as "S/m"; "" for a number without one."""
    key = str([s for s in toml.steps_of(path) if isinstance(s, str)][-1])
    parts = key.split("_")
    for n in range(1, len(parts)):
        if UNIT.fullmatch("_".join(parts[n:])):
            return "/".join(parts[n:]).replace("m2", "m²").replace("m3", "m³")
    return "1"


def matches(asked: Steps, steps: Steps) -> bool:
    """Whether a path means another one, key by key."""
    return len(asked) == len(steps) and all(same_key(a, k) for a, k in zip(asked, steps, strict=True))


def _firsts(paths: Any) -> list[str]:
    return list(dict.fromkeys(str(s[0]) for s in paths))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else copy.copy(value)
