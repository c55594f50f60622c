"""Which dataclasses a user meets: those at the front door, and what these and its functions hold, return and offer."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import emdose


@functools.cache
def _names(module: str) -> dict[str, Any]:
    """What a name in an annotation of a module may mean: its globals and what it imports for types only."""
    table = dict(vars(sys.modules[module]))
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emdose"):
            source = importlib.import_module(node.module or "")
            for alias in node.names:
                if hasattr(source, alias.name):
                    table.setdefault(alias.asname or alias.name, getattr(source, alias.name))
    return table


def _types(annotation: Any, module: str) -> Iterator[Any]:
    for word in re.findall(r"[A-Za-z_][\w.]*", str(annotation)):
        first, *rest = word.split(".")
        found = functools.reduce(lambda owner, name: getattr(owner, name, None), rest, _names(module).get(first))
        if inspect.isclass(found) and found.__module__.startswith("emdose"):
            yield found


def _returned(cls: type) -> Iterator[Any]:
    for name, member in inspect.getmembers_static(cls):
        plain = getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(plain) and plain.__module__.startswith("emdose"):
            yield from _types(plain.__annotations__.get("return", ""), plain.__module__)


def _held(cls: type) -> Iterator[Any]:
    if is_dataclass(cls):
        for f in fields(cls):
            owner = next(c for c in cls.__mro__ if f.name in inspect.get_annotations(c))
            yield from _types(f.type, owner.__module__)


def public_dataclasses() -> set[type]:
    """All of them."""
    found: set[type] = set()
    todo: list[Any] = [getattr(emdose, name) for name in emdose.__all__]
    while todo:
        item = todo.pop()
        if inspect.ismodule(item):
            todo += [
                member
                for name, member in inspect.getmembers(item)  # what a room loads only when asked is there too
                if not name.startswith("_")
                and (inspect.isclass(member) or inspect.isfunction(member))
                and member.__module__.startswith(item.__name__)
            ]
        elif inspect.isfunction(item):
            todo += _types(item.__annotations__.get("return", ""), item.__module__)
        elif inspect.isclass(item) and item not in found:
            found.add(item)
            todo += [*_held(item), *_returned(item)]
    return {cls for cls in found if is_dataclass(cls)}
