"""Which places of the sources can be changed, and how: the operators of cosmic-ray, and a factor on float constants."""

from __future__ import annotations

import ast
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast, is_number
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Number

ROOMS = ("models", "dosimetry", "compliance", "circuits", "ept", "solvers")

BINARY = "Add_Sub Sub_Add Mul_Div Div_Mul Pow_Mul FloorDiv_Mul Mod_Mul BitAnd_BitOr BitOr_BitAnd"
COMPARISONS = "Eq_NotEq NotEq_Eq Lt_GtE GtE_Lt Gt_LtE LtE_Gt Lt_LtE LtE_Lt Gt_GtE GtE_Gt Is_IsNot IsNot_Is"
OTHERS = """
ReplaceUnaryOperator_Delete_USub ReplaceUnaryOperator_Delete_Invert ReplaceUnaryOperator_Delete_Not
ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd
ReplaceBreakWithContinue ReplaceContinueWithBreak ZeroIterationForLoop NumberReplacer NumberFactor
"""
OPERATORS = [
    *(f"ReplaceBinaryOperator_{pair}" for pair in BINARY.split()),
    *(f"ReplaceComparisonOperator_{pair}" for pair in COMPARISONS.split()),
    *OTHERS.split(),
]


class NumberFactor(Operator):
    """Twice and half a float constant: adding 1 to 1e-6 says nothing about a tolerance."""

    FACTORS = (2.0, 0.5)

    def mutation_positions(self, node):
        if is_number(node) and _is_float(node.value):
            for _ in self.FACTORS:
                yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        return Number(f" {ast.literal_eval(node.value) * self.FACTORS[index]!r}", node.start_pos)

    @classmethod
    def examples(cls):
        return ()


@dataclass(frozen=True)
class Mutant:
    """One change: the operator's n-th place in a file."""

    room: str
    path: str
    line: int
    operator: str
    occurrence: int
    before: str
    after: str

    @property
    def key(self) -> str:
        """Its name in the list of results."""
        return f"{self.path}:{self.line}:{self.operator}:{self.occurrence}"


def mutated(text: str, mutant: Mutant) -> str:
    """The file's text with the change."""
    return mutate_code(text, _operator(mutant.operator), mutant.occurrence) or text


def draw(tree: Path, seed: int, count: int) -> list[Mutant]:
    """``count`` mutants: rooms by the root of their lines, files by their lines, places and operators evenly."""
    dice = random.Random(seed)
    files = {
        room: [p for p in sorted((tree / "src" / "emdose" / room).rglob("*.py")) if "kernels" not in p.parts]
        for room in ROOMS
    }
    lines = {path: path.read_text(encoding="utf-8").count("\n") for paths in files.values() for path in paths}
    share = {room: math.sqrt(sum(lines[p] for p in paths)) for room, paths in files.items()}
    drawn: dict[str, Mutant] = {}
    for room, paths in files.items():
        wanted = round(count * share[room] / sum(share.values()))
        places = {path: list(_places(path)) for path in paths}
        while wanted:
            path = dice.choices(paths, [lines[p] for p in paths])[0]
            if not places[path]:
                continue
            choices = places[path].pop(dice.randrange(len(places[path])))
            operator, occurrence, line = dice.choice(choices)
            text = path.read_text(encoding="utf-8")
            new = mutate_code(text, _operator(operator), occurrence)
            if new is None or new == text or not _compiles(new):
                continue
            before, after = _first_difference(text, new)
            mutant = Mutant(room, str(path.relative_to(tree)), line, operator, occurrence, before, after)
            drawn[mutant.key] = mutant
            wanted -= 1
    return list(drawn.values())


def _places(path: Path) -> Iterator[list[tuple[str, int, int]]]:
    """Per place of a file the (operator, occurrence, line) that apply there."""
    text = path.read_text(encoding="utf-8")
    skipped = _skipped(ast.parse(text))
    nodes = list(_walk(get_ast(text)))
    found: dict[tuple[int, int], list[tuple[str, int, int]]] = {}
    for name in OPERATORS:
        operator = _operator(name)
        positions = [p for node in nodes for p in operator.mutation_positions(node)]
        for i, (start, _) in enumerate(positions):
            column = start[1]
            if name == "NumberReplacer" and _is_float_at(nodes, start):
                continue
            if not any(a <= (start[0], column) < b for a, b in skipped):
                found.setdefault(start, []).append((name, i, start[0]))
    yield from (found[start] for start in sorted(found))


def _skipped(module: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Spans without behaviour worth a test: annotations, types, decorators, ``repr``, words of errors and warnings."""
    out = []

    def skip(node: ast.AST | None) -> None:
        if node is not None:
            out.append(((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)))  # type: ignore[attr-defined]

    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                skip(decorator)
        if isinstance(node, ast.FunctionDef):
            skip(node.returns)
            if node.name in ("__repr__", "_repr_html_", "__str__"):
                skip(node)
        if isinstance(node, (ast.arg, ast.AnnAssign)):
            skip(node.annotation)
        if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)):
            skip(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("warnings.warn", "TypeVar", "Progress", "cast"):
            skip(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            skip(node.args[1])
        if isinstance(node, ast.keyword) and node.arg in ("strict", "stacklevel", "dtype", "copy", "frozen", "eq"):
            skip(node.value)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skip(node)
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.BinOp, ast.Subscript)) and _is_type(node.value):
            skip(node)
    return out


def _is_type(node: ast.expr) -> bool:
    """An alias such as ``Shape = tuple[int, int, int]``."""
    return any(
        isinstance(n, ast.Name) and n.id in ("tuple", "Callable", "Sequence", "Mapping", "Literal")
        for n in ast.walk(node)
    ) and not any(isinstance(n, ast.Call) for n in ast.walk(node))


def _walk(node) -> Iterator:
    """Nodes in the order in which cosmic-ray counts occurrences."""
    yield from ast_nodes(node)


def _operator(name: str) -> Operator:
    return NumberFactor() if name == "NumberFactor" else get_operator(f"core/{name}")()


def _is_float(text: str) -> bool:
    value = ast.literal_eval(text)
    return isinstance(value, float) and value != 0


def _is_float_at(nodes: list, start: tuple[int, int]) -> bool:
    return any(is_number(n) and n.start_pos == start and _is_float(n.value) for n in nodes)


def _compiles(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _first_difference(before: str, after: str) -> tuple[str, str]:
    return next((a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=False) if a != b)
