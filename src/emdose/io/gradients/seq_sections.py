"""Sections of a Pulseq file, and what must hold of their lines before another program reads them.

pypulseq reads a damaged file for ever, or stops with whatever its parsing stumbles over. What can be seen in the text
is refused here, with the section and the line.

Source: Pulseq file specification 1.2 to 1.5.1 (K. Layton et al., Magn. Reson. Med. 77 (2017) 1544).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emdose.errors import InputError

Version = tuple[int, int, int]
TABLES: dict[tuple[int, int], dict[str, int]] = {
    (1, 5): {"[RF]": 12, "[GRADIENTS]": 7, "[TRAP]": 6, "[ADC]": 9},
    (1, 4): {"[RF]": 8, "[GRADIENTS]": 5, "[TRAP]": 6, "[ADC]": 6},
    (1, 2): {"[RF]": 7, "[GRADIENTS]": 4, "[TRAP]": 6, "[ADC]": 6, "[DELAYS]": 2},
}
"""Columns of the tables from a version on; the last of [RF] is a letter from 1.5 on."""
NAMED: dict[tuple[int, int], dict[str, tuple[int, ...]]] = {
    (1, 5): {"[RF]": (2, 3, 4), "[GRADIENTS]": (4, 5)},
    (1, 4): {"[RF]": (2, 3, 4), "[GRADIENTS]": (2, 3)},
    (1, 2): {"[RF]": (2, 3), "[GRADIENTS]": (2,)},
}
"""Columns, from 0, that name shapes."""
LARGEST_SHAPE = 2**24
"""Samples of one shape: more than a minute of a pulse."""
SHOWN = 60
SHAPES = "[SHAPES]"


def sections(text: str) -> dict[str, list[str]]:
    """Lines by the header of their section; comments and blank lines left out of all but [SHAPES].

    Raises
    ------
    InputError
        For a section that stands twice.
    """
    parts: dict[str, list[str]] = {}
    here: list[str] = []
    shapes = False
    for line in text.splitlines():
        plain = line.strip()
        if plain.startswith(("[", "extension ")):
            shapes = plain == SHAPES
            if plain in parts:
                raise InputError("section twice", field=plain)
            here = parts.setdefault(plain, [])
        elif shapes or (plain and not plain.startswith("#")):
            here.append(plain)
    return parts


def version_of(parts: Mapping[str, list[str]]) -> Version:
    """Major, minor and revision; raises InputError where there is none, or one that is not read."""
    words = dict(line.split(None, 1) for line in parts.get("[VERSION]", []) if len(line.split()) == 2)
    try:
        digits = "".join(c for c in words.get("revision", "0") if c.isdigit()) or "0"
        version = int(words["major"]), int(words["minor"]), int(digits)
    except (KeyError, ValueError):
        raise InputError("no version", field="[VERSION]", expected="major, minor and revision") from None
    if not (1, 2) <= version[:2] < (2, 0):
        raise InputError(
            "version of Pulseq that is not read",
            field="[VERSION]",
            found=".".join(map(str, version)),
            expected="1.2 to 1.5",
        )
    return version


def columns_of(version: Version) -> dict[str, int]:
    """Columns of the tables of a version."""
    return next(columns for least, columns in TABLES.items() if version[:2] >= least)


def block_rows(parts: Mapping[str, list[str]]) -> np.ndarray:
    """The blocks: number, duration or delay, RF, gx, gy, gz, ADC and extension, (block, 8) integers.

    Raises
    ------
    InputError
        For no blocks, lines that are none, and numbers that stand twice.
    """
    lines = parts.get("[BLOCKS]", [])
    if not lines:
        raise InputError("sequence without blocks", field="[BLOCKS]", expected="at least one block")
    try:
        rows = np.array([line.split() for line in lines], dtype=np.int64)
    except (ValueError, OverflowError):
        raise InputError("bad line", field="[BLOCKS]", expected="7 or 8 whole numbers in every line") from None
    if rows.ndim != 2 or rows.shape[1] not in (7, 8):
        raise InputError("bad line", field="[BLOCKS]", found=rows.shape, expected="7 or 8 whole numbers in every line")
    rows = np.pad(rows, ((0, 0), (0, 8 - rows.shape[1])))
    if len(np.unique(rows[:, 0])) != len(rows) or rows.min() < 0:
        raise InputError("a block twice, or a negative number", field="[BLOCKS]")
    return rows


def checked(text: str) -> str:
    """The text with shapes that end where their numbers do.

    Raises
    ------
    InputError
        For tables and shapes with lines that do not fit, numbers that are not finite, and numbers that stand twice.
    """
    parts = sections(text)
    version = version_of(parts)
    tables = version[:2] != (1, 3) or version[2] < 9  # 1.3.90 and its like were what became 1.4
    if tables:
        for header, count in columns_of(version).items():
            letters = 1 if header == "[RF]" and version[:2] >= (1, 5) else 0
            _require_table(header, parts.get(header, []), count, letters)
    _require_events(parts, block_rows(parts))
    shapes, known = _shapes(parts.pop(SHAPES, []))
    if shapes:
        parts[SHAPES] = shapes
    if tables:
        for header, places in next(named for least, named in NAMED.items() if version[:2] >= least).items():
            _require_shapes(header, parts.get(header, []), places, known, version[:2] >= (1, 5))
    return "\n".join(line for header, lines in parts.items() for line in (header, *lines, "")) + "\n"


def _require_table(header: str, lines: list[str], columns: int, letters: int) -> None:
    words = [line.split() for line in lines]
    for line, row in zip(lines, words, strict=True):
        if len(row) != columns:
            raise InputError("bad line", field=header, found=line[:SHOWN], expected=f"{columns} columns")
    numbers = [row[: columns - letters] for row in words]
    values = _numbers(header, numbers)
    if len(values):
        ids = values[:, 0]
        bad = np.flatnonzero((ids != np.rint(ids)) | (ids < 1))
        if len(bad):
            raise InputError("bad number of an event", field=header, found=lines[bad[0]][:SHOWN], expected="1, 2, ...")


def _numbers(header: str, words: list[list[str]]) -> np.ndarray:
    """The words as finite numbers, (n, columns); raises InputError for the first line that has others."""
    if not words:
        return np.zeros((0, 1))
    try:
        values = np.array(words, float).reshape(len(words), -1)
        fine = bool(np.all(np.isfinite(values)))
    except ValueError:
        fine = False
    if fine:
        return values
    for row in words:
        try:
            good = bool(np.all(np.isfinite(np.array(row, float))))
        except ValueError:
            good = False
        if not good:
            break
    raise InputError("not finite numbers", field=header, found=" ".join(row)[:SHOWN])


def _require_events(parts: Mapping[str, list[str]], blocks: np.ndarray) -> None:
    """What blocks play has to be there; 0 stands for nothing."""
    for what, columns in (("[RF]", [2]), ("[TRAP] or [GRADIENTS]", [3, 4, 5]), ("[ADC]", [6])):
        there = [0] + [int(float(line.split()[0])) for h in what.split(" or ") for line in parts.get(h, [])]
        if len(set(there)) < len(there):
            raise InputError("event twice", field=what, found=next(n for n in there if there.count(n) > 1))
        lost = ~np.isin(blocks[:, columns], there)
        if lost.any():
            row = int(np.flatnonzero(lost.any(axis=1))[0])
            found = f"block {blocks[row, 0]} plays {int(blocks[row, columns][lost[row]][0])}"
            raise InputError("event that is not there", field=what, found=found)


def _require_shapes(header: str, lines: list[str], places: tuple[int, ...], known: set[int], late: bool) -> None:
    """Every shape that an event names has to be there; 0 and -1 stand for none."""
    for line in lines:
        words = line.split()
        for place in places:
            number = float(words[place])
            # Every pulse before 1.5 has magnitudes and phases.
            none = () if header == "[RF]" and place < 4 and not late else (0, -1)
            if number not in known and number not in none:
                raise InputError("shape that is not there", field=header, found=line[:SHOWN])


def _shapes(lines: list[str]) -> tuple[list[str], set[int]]:
    """Shapes, each followed by one empty line, and their numbers."""
    out: list[str] = []
    seen: set[str] = set()
    wanted = [line for line in lines if line and not line.startswith("#")]
    if not wanted:
        return [], set()
    heads = [n for n, line in enumerate(wanted) if line.lower().startswith("shape_id")]
    if not heads or heads[0] > 0:
        raise InputError("line before the first shape", field=SHAPES, found=wanted[0][:SHOWN], expected="shape_id")
    for first, end in zip(heads, [*heads[1:], len(wanted)], strict=True):
        name = wanted[first].split()
        size = wanted[first + 1].split() if first + 1 < end else []
        if len(name) != 2 or not name[1].isascii() or not name[1].isdigit() or name[1] in seen:
            raise InputError("bad shape_id, or one twice", field=SHAPES, found=wanted[first][:SHOWN])
        seen.add(name[1])
        field = f"{SHAPES} {name[1]}"
        if len(size) != 2 or size[0].lower() != "num_samples" or not (size[1].isascii() and size[1].isdigit()):
            raise InputError("shape without num_samples", field=field, found=" ".join(size)[:SHOWN])
        if not 1 <= int(size[1]) <= LARGEST_SHAPE:
            expected = f"1 to {LARGEST_SHAPE}"
            raise InputError("bad number of samples", field=field, found=size[1][:SHOWN], expected=expected)
        rows = wanted[first + 2 : end]
        if not rows or len(rows) > int(size[1]):
            expected = f"1 to {size[1]} lines"
            raise InputError("samples of a shape do not fit", field=field, found=len(rows), expected=expected)
        values = _numbers(field, [[row] for row in rows])[:, 0]
        if len(rows) < int(size[1]):
            _require_runs(field, values, int(size[1]))
        out += [f"shape_id {int(name[1])}", f"num_samples {int(size[1])}", *rows, ""]
    return out, {int(name) for name in seen}


def _require_runs(field: str, values: np.ndarray, samples: int) -> None:
    """Derivatives of which two that are equal are followed by how many more: together as many as there are samples."""
    count, k, numbers = 0, 0, values.tolist()
    while k < len(numbers):
        if k + 1 < len(numbers) and numbers[k] == numbers[k + 1]:
            more = numbers[k + 2] if k + 2 < len(numbers) else -1.0
            if more < 0 or more != int(more):
                raise InputError("bad run of a compressed shape", field=field, found=f"{more:g}", expected="0, 1, ...")
            count, k = count + 2 + int(more), k + 3
        else:
            count, k = count + 1, k + 1
    if count != samples:
        raise InputError("compressed shape of another length", field=field, found=count, expected=f"{samples} samples")
