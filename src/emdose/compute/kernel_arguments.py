"""What is passed to a kernel: checked against its signature, and structs laid out as its compiler reads them."""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from emdose.compute.kernel_text import Parameter, Signature

CTYPES: dict[type, Any] = {
    np.float64: ctypes.c_double,
    np.float32: ctypes.c_float,
    np.int32: ctypes.c_int32,
    np.int64: ctypes.c_int64,
}
LIMITS = {t: (int(np.iinfo(t).min), int(np.iinfo(t).max)) for t in (np.int32, np.int64)}
Span = tuple[int, int, str, bool]


def checked(signature: Signature, args: Sequence[Any], array_type: Any) -> list[Any]:
    """Arguments ready for the call: scalars of the kernel's types, arrays as they are, of every struct a dict of those.

    Raises
    ------
    TypeError, ValueError
        When the arguments do not fit the signature.
    """
    if len(args) != len(signature.parameters):
        names = ", ".join(p.name for p in signature.parameters)
        raise TypeError(f"{signature.name}: {len(args)} arguments; expected {len(signature.parameters)}: {names}")
    spans: list[Span] = []
    values = [
        _value(f"{signature.name}: ", p, a, array_type, spans) for p, a in zip(signature.parameters, args, strict=True)
    ]
    for n, (begin, end, name, written) in enumerate(spans):
        for other_begin, other_end, other, other_written in spans[:n]:
            if (written or other_written) and begin < other_end and other_begin < end:
                raise ValueError(f"{signature.name}: {other} and {name} overlap in memory")
    return values


def scalar(where: str, p: Parameter, value: Any) -> Any:
    """A Python number as the kernel's own type.

    Raises
    ------
    TypeError, ValueError
        For what is no number, or does not fit.
    """
    if p.dtype in LIMITS:
        try:
            number = operator.index(value)
        except TypeError:
            raise TypeError(f"{where} is {type(value).__name__}; expected an integer") from None
        least, most = LIMITS[p.dtype]
        if not least <= number <= most:
            raise ValueError(f"{where} = {number} does not fit {np.dtype(p.dtype)}")
        return p.dtype(number)
    if isinstance(value, (str, bytes, Mapping)) or np.iscomplexobj(value):
        raise TypeError(f"{where} is {type(value).__name__}; expected a real number")
    return p.dtype(float(value))


@cache
def c_type(p: Parameter) -> Any:
    """A parameter as ctypes passes it; a struct as the C compiler of this machine lays it out."""
    if p.fields:
        return type(p.struct, (ctypes.Structure,), {"_fields_": [(f.name, c_type(f)) for f in p.fields]})
    return ctypes.c_void_p if p.array else CTYPES[p.dtype]


@cache
def numpy_type(p: Parameter) -> np.dtype:
    """A struct as a CUDA compiler lays it out: every field at a multiple of its size, as in C on a 64-bit machine."""
    return np.dtype([(f.name, np.uint64 if f.array else f.dtype) for f in p.fields], align=True)


def _value(where: str, p: Parameter, a: Any, array_type: Any, spans: list[Span]) -> Any:
    if p.fields:
        if not isinstance(a, Mapping):
            raise TypeError(f"{where}{p.name} is {type(a).__name__}; expected a mapping of field names")
        if len(a) != len(p.fields) or any(f.name not in a for f in p.fields):
            names = {f.name for f in p.fields}
            wrong = [f"lacks {n}" for n in sorted(names - a.keys())] + [f"has no {n}" for n in sorted(a.keys() - names)]
            raise TypeError(f"{where}{p.name} ({p.struct}) {', '.join(wrong)}")
        return {f.name: _value(f"{where}{p.name}.", f, a[f.name], array_type, spans) for f in p.fields}
    where += p.name
    if not p.array:
        return scalar(where, p, a)
    if not isinstance(a, array_type):
        raise TypeError(
            f"{where} is {type(a).__module__}.{type(a).__qualname__}; "
            f"expected {array_type.__module__}.{array_type.__qualname__}"
        )
    if a.dtype != p.dtype:
        raise TypeError(f"{where} has dtype {a.dtype}; expected {np.dtype(p.dtype)}")
    if not a.flags.c_contiguous:
        raise ValueError(f"{where} is not C-contiguous")
    if isinstance(a, np.ndarray) and not (a.flags.aligned and (a.flags.writeable or not p.written)):
        raise ValueError(f"{where} is {'read-only' if a.flags.aligned else 'not aligned'}")
    begin = int(a.ctypes.data if isinstance(a, np.ndarray) else a.data.ptr)
    spans.append((begin, begin + a.nbytes, where.partition(": ")[2], p.written))
    return a
