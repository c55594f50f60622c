"""Laws from tables of a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.uncertainty.laws.base import Law
from emdose.uncertainty.laws.bounded import Arcsine, Beta, Triangular, Uniform
from emdose.uncertainty.laws.others import ChaospyLaw, Discrete
from emdose.uncertainty.laws.tailed import LogNormal, Normal, StudentT, TruncatedNormal

LAWS: dict[str, type[Law]] = {
    law.kind: law
    for law in (Normal, Uniform, Triangular, LogNormal, TruncatedNormal, Beta, Arcsine, StudentT, Discrete, ChaospyLaw)
}
"""All laws by what files call them."""

_SPELLINGS = {"rectangular": "uniform", "gaussian": "normal", "u-shaped": "arcsine", "t": "student t"}


def law_of_dict(table: Mapping[str, Any], field: str = "law") -> Law:
    """A law from a table such as ``{"law": "normal", "relative": 0.1}``; "log-normal" may be spelled "LogNormal".

    Parameters
    ----------
    table : mapping
        Kind under "law", and the parameters of that law.
    field : str
        Where the table stands; named in errors.

    Raises
    ------
    InputError
        For an unknown law, an unknown parameter, or one that the law refuses.
    """
    if not isinstance(table, Mapping) or not isinstance(table.get("law"), str):
        raise InputError(
            "no law", field=field, found=str(table), expected='a table such as {law = "normal", relative = 0.1}'
        )
    known = {_folded(kind): kind for kind in LAWS} | {_folded(k): v for k, v in _SPELLINGS.items()}
    kind = known.get(_folded(table["law"]))
    if kind is None:
        raise unknown("unknown law", table["law"], LAWS, spellings=_SPELLINGS, field=field)
    made = LAWS[kind]
    parameters = {f.name: f for f in fields(made)}  # type: ignore[arg-type]
    given = {k: v for k, v in table.items() if k != "law"}
    for name in given:
        if name not in parameters:
            raise unknown(f"unknown parameter of the {kind} law", name, parameters, field=field)
    try:
        return made(**given)
    except InputError as error:
        raise error.at(field=f"{field}: {error.field}" if error.field else field) from None


def _folded(word: str) -> str:
    return re.sub(r"[^a-z]+", "", word.lower())
