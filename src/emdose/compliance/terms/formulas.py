"""Limits that are formulas: a small arithmetic language, read without running it as Python."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache

from emdose.errors import InputError

VARIABLES = {
    "f": "frequency [Hz]",
    "r": "exposed mass over patient mass",
    "T": "ambient temperature [degC]",
    "ts": "effective stimulus duration [ms]",
}
"""Names that a limit's formula may use."""

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {"exp": math.exp, "sqrt": math.sqrt, "min": min, "max": max}


def evaluate(formula: str, variables: Mapping[str, float]) -> float:
    """Value of a formula.

    Parameters
    ----------
    formula : str
        Numbers, ``+ - * / **``, parentheses, ``exp sqrt min max`` and the names in ``VARIABLES``.
    variables : mapping of str to float
        Values of the names.

    Raises
    ------
    InputError
        When the formula is not in this language, a name has no value, or the result is not a finite number.
    """
    missing = sorted(names(formula) - set(variables))
    if missing:
        text = ", ".join(f"{n} ({VARIABLES[n]})" for n in missing)
        raise InputError("formula needs a value", field=formula, expected=text)
    try:
        value = _value(_tree(formula), variables)
    except (ArithmeticError, ValueError) as error:
        raise InputError(f"formula has no value: {error}", field=formula, found=dict(variables)) from None
    if not math.isfinite(value):
        raise InputError("formula has no finite value", field=formula, found=dict(variables))
    return value


@lru_cache(maxsize=512)
def names(formula: str) -> frozenset[str]:
    """Variables that a formula uses; raises InputError when it is not in the language."""
    tree = _tree(formula)
    _check(tree, formula)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return frozenset(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called)


@lru_cache(maxsize=512)
def _tree(formula: str) -> ast.expr:
    try:
        return ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _not_a_formula(formula) from None


def _check(node: ast.expr, formula: str) -> None:
    match node:
        case ast.Constant(value=bool()):
            raise _not_a_formula(formula)
        case ast.Constant(value=int() | float()):
            return
        case ast.Name(id=name) if name in VARIABLES:
            return
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, formula)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, formula)
            _check(right, formula)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS and args:
            for arg in args:
                _check(arg, formula)
        case _:
            raise _not_a_formula(formula)


def _value(node: ast.expr, variables: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return float(variables[name])
        case ast.UnaryOp(op=op, operand=operand):
            value = _value(operand, variables)
            return -value if isinstance(op, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, variables), _value(right, variables))
        case ast.Call(func=ast.Name(id=name), args=args):
            values = [_value(a, variables) for a in args]
            # min and max of one number are the number.
            return values[0] if name in ("min", "max") and len(values) == 1 else _FUNCTIONS[name](*values)
    raise _not_a_formula(ast.dump(node))


def _not_a_formula(formula: str) -> InputError:
    known = ", ".join([*sorted(_FUNCTIONS), *VARIABLES])
    return InputError("not a formula", found=formula, expected=f"numbers, + - * / **, {known}")
