"""What a kernel text says about itself: the files it includes, its kernels, their parameters and its structs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

COMMON = "common.cuh"
SCALARS = (np.float64, np.float32, np.int32, np.int64)
"""What a parameter or field that is no array may be."""
SPANS = ["int spans", "const int *RESTRICT span"]
"""Parameters that every kernel over spans begins with."""
_DTYPES: dict[str, type] = {
    "double": np.float64,
    "float": np.float32,
    "int": np.int32,
    "i64": np.int64,
    "i16": np.int16,
    "i8": np.int8,
    "u32": np.uint32,
    "u16": np.uint16,
    "u8": np.uint8,
}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kernel or a field of a struct.

    Parameters
    ----------
    name : str
        Its name.
    dtype : type
        NumPy scalar type; of a struct ``numpy.void``.
    array : bool
        Whether it is a pointer to an array.
    written : bool
        Whether the array is written.
    struct : str
        Name of the struct that it is, or nothing.
    fields : tuple of Parameter
        Of a struct, in its order.
    """

    name: str
    dtype: type
    array: bool
    written: bool
    struct: str = ""
    fields: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Signature:
    """Name, number of dimensions (1 or 3) and parameters of a kernel, and whether an index is a block of threads."""

    name: str
    dimensions: int
    parameters: tuple[Parameter, ...]
    blocks: bool = False


@cache
def source(package: str, name: str) -> str:
    """Text of a package's ``kernels/<name>.cuh`` with its ``#include "..."`` lines replaced by the files, and theirs.

    What a text includes lies beside it; only ``common.cuh``, which all include, lies beside this loader.
    """
    return _expanded(package, f"{name}.cuh")


def common() -> str:
    """Text of ``common.cuh``, which every kernel file includes."""
    return _read(str(__package__), COMMON)


def signatures(text: str, real: str) -> dict[str, Signature]:
    """Signatures of all kernels in a text, by name."""
    plain = _without_comments(text)
    bodies = _structs(plain)
    found = {}
    for match in re.finditer(r"^KERNEL(1|3|_BLOCKS|_SPANS)\(", plain, flags=re.MULTILINE):
        name, *parts = _split(plain, match.end())
        blocks = match[1] == "_BLOCKS"
        own = SPANS if match[1] == "_SPANS" else []
        parameters = tuple(_parameter(p, real, bodies) for p in [*own, *parts[1 + blocks :]])
        found[name] = Signature(name, 1 if match[1] == "1" else 3, parameters, blocks)
    return found


def _expanded(package: str, file: str) -> str:
    def included(match: re.Match[str]) -> str:
        return common() if match[1] == COMMON else _expanded(package, match[1])

    return re.sub(r'^#include "([\w.]+)"$', included, _read(package, file), flags=re.MULTILINE)


def _read(package: str, file: str) -> str:
    return files(package).joinpath("kernels", file).read_text(encoding="utf-8")


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)


def _split(text: str, start: int) -> list[str]:
    """Arguments of a macro call whose "(" ends at ``start``, split at its own commas."""
    parts, depth, begin = [], 0, start
    for at in range(start, len(text)):
        c = text[at]
        if (c == "," and depth == 0) or (c == ")" and depth == 0):
            parts.append(" ".join(text[begin:at].split()))
            begin = at + 1
            if c == ")":
                return parts
        depth += (c in "([{") - (c in ")]}")
    raise ValueError("kernel text ends inside a macro call")


def _structs(plain: str) -> dict[str, str]:
    """What stands between the braces of every struct, by its name."""
    found = re.finditer(r"\btypedef struct \{([^{}]*)\} (\w+);", " ".join(plain.split()))
    return {match[2]: match[1] for match in found}


def _fields(body: str, real: str) -> tuple[Parameter, ...]:
    """Fields of a struct: ``int n, m; const real *RESTRICT a, *RESTRICT b;``."""
    found = []
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        match = re.fullmatch(r"((?:const )?\w+) (.+)", declaration)
        if match is None:
            raise ValueError(f"cannot read the field '{declaration}'")
        found += [_parameter(f"{match[1]} {name.strip()}", real, {}) for name in match[2].split(",")]
    return tuple(found)


def _parameter(text: str, real: str, bodies: dict[str, str]) -> Parameter:
    struct = re.fullmatch(r"(?:CONSTANT\()?(\w+)\)? (\w+)", text)
    if struct is not None and struct[1] in bodies:
        return Parameter(struct[2], np.void, False, False, struct[1], _fields(bodies[struct[1]], real))
    match = re.fullmatch(r"(const )?(\w+) (\* ?(?:RESTRICT )?)?(\w+)", text)
    if match is None:
        raise ValueError(f"cannot read the kernel parameter '{text}'")
    const, kind, pointer, name = match.groups()
    if kind == "creal":
        dtype: type = np.complex64 if real == "float" else np.complex128
    else:
        known = _DTYPES.get(real if kind == "real" else kind)
        if known is None:
            raise ValueError(f"kernel parameter '{text}': '{kind}' is no type of a parameter")
        dtype = known
    if not pointer and dtype not in SCALARS:
        raise ValueError(f"kernel parameter '{text}': scalars are real, double, float, int or i64")
    return Parameter(name, dtype, bool(pointer), bool(pointer) and not const)
