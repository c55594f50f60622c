"""The text of Pulseq files before pypulseq sees it: sections, rasters, and the extensions that it does not know.

Shims come in two dialects. Version 1.5.1 has the extension ``RF_SHIMS``: lines ``id channels magnitude phase ...``,
phases in radian, one shim per block. PyPulseq_rfshim (versions 1.3.90 and 1.4.5) adds two columns to the lines of
[RF]: the shapes of magnitudes and of phases over the channels. Whether these phases are radian or turns is nowhere
written; they are read where it makes no difference, where they cannot be turns, or where the user says it.

Source: Pulseq file specification 1.5.1 (K. Layton et al., Magn. Reson. Med. 77 (2017) 1544); notes on the dialect in
the documentation of pulseq-rs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.gradients.seq_sections import block_rows, columns_of, sections, version_of

RASTERS = ("GradientRasterTime", "RadiofrequencyRasterTime", "AdcRasterTime", "BlockDurationRaster")
SHORTEST_s, LONGEST_s = 1e-9, 0.1
"""Of a raster."""
NEEDED = {(1, 4): RASTERS, (1, 2): RASTERS[:2]}
"""Rasters that times of a file are multiples of, from a version on."""
OWN = ("RF_SHIMS", "ROTATIONS")
HARMLESS = ("TRIGGERS", "LABELSET", "LABELINC", "DELAYS")
"""Extensions that change neither RF nor gradients of the file as it stands."""
TEXT_DIALECT, SHAPE_DIALECT = "RF_SHIMS", "PyPulseq_rfshim"


@dataclass(frozen=True, eq=False)
class Prepared:
    """A file whose own extensions are read and taken out.

    Parameters
    ----------
    text : str
        What pypulseq reads.
    version : (int, int, int)
        Of the file.
    definitions : dict
        Of the file.
    blocks : (block, 8) integer ndarray
        Number, duration or delay, RF, gx, gy, gz, ADC and extension of every block.
    shim_of : dict of int to int
        Number of the shim by number of the extension.
    shims : dict of int to (channel,) complex ndarray
        Shims by number.
    rotation_of, rotations : dict
        The same of rotations, (3, 3) matrices.
    shape_shims : dict of int to (int, int)
        Shapes of magnitudes and phases by number of the RF event.
    unknown : tuple of str
        Extensions that are not known here.
    """

    text: str
    version: tuple[int, int, int]
    definitions: dict[str, Any]
    blocks: np.ndarray
    shim_of: dict[int, int]
    shims: dict[int, np.ndarray]
    rotation_of: dict[int, int]
    rotations: dict[int, np.ndarray]
    shape_shims: dict[int, tuple[int, int]]
    unknown: tuple[str, ...]


def prepared(text: str, rasters: Mapping[str, float] | None = None) -> Prepared:
    """Read what pypulseq does not, and leave it the rest.

    Parameters
    ----------
    text : str
        The file.
    rasters : mapping, optional
        Raster times that the file does not state, by their names there [s].

    Raises
    ------
    InputError
        For missing sections, versions and rasters, lines that do not fit, and extensions that are named but absent.
    """
    parts = sections(text)
    version = version_of(parts)
    definitions = _definitions(parts.get("[DEFINITIONS]", []))
    if version[:2] == (1, 3) and version[2] >= 9 and RASTERS[3] in definitions:
        version = (1, 4, 0)  # 1.3.90 and its like were what became 1.4
    added = _require_rasters(version, definitions, dict(rasters or {}))
    blocks = block_rows(parts)
    kinds = _kinds(parts)
    chains = {row[0]: tuple(row[1:]) for row in _rows(parts.get("[EXTENSIONS]", []), "[EXTENSIONS]", 4)}
    names = {number: name for name, number in kinds.items()}
    shims = _shims(_of(parts, "RF_SHIMS"))
    rotations = {int(r[0]): _rotation(r[1:]) for r in _rows(_of(parts, "ROTATIONS"), "ROTATIONS", 5, float)}
    shim_of: dict[int, int] = {}
    rotation_of: dict[int, int] = {}
    seen: set[str] = set()
    for start in np.unique(blocks[:, 7]):
        for name, reference in _chain(int(start), chains, names):
            seen.add(name)
            if name in OWN:
                known: Mapping[int, Any] = shims if name == OWN[0] else rotations
                if reference not in known:
                    raise InputError("extension that is not there", field=f"extension {name}", found=reference)
                (shim_of if name == OWN[0] else rotation_of)[int(start)] = reference
    lines, shape_shims = _rf(parts.get("[RF]", []), version)
    unknown = tuple(sorted(seen - set(OWN) - set(HARMLESS)))
    return Prepared(
        _written(parts, version, added, lines, blocks),
        version,
        definitions,
        blocks,
        shim_of,
        shims,
        rotation_of,
        rotations,
        shape_shims,
        unknown,
    )


def _kinds(parts: Mapping[str, list[str]]) -> dict[str, int]:
    """Numbers of the extensions by their names."""
    found = {}
    for header in parts:
        if header.startswith("extension "):
            words = header.split()
            if len(words) != 3 or not words[2].isdigit():
                raise InputError("bad header of an extension", field=header, expected="extension NAME NUMBER")
            found[words[1]] = int(words[2])
    return found


def _of(parts: Mapping[str, list[str]], name: str) -> list[str]:
    return next((lines for key, lines in parts.items() if key.startswith(f"extension {name} ")), [])


def _rows(lines: list[str], field: str, columns: int, kind: type = int) -> list[list[Any]]:
    found = []
    for line in lines:
        try:
            row = [kind(word) for word in line.split()]
        except ValueError:
            row = []
        if len(row) != columns:
            raise InputError("bad line", field=field, found=line[:60], expected=f"{columns} numbers")
        found.append(row)
    return found


def _definitions(lines: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        key, _, rest = line.partition(" ")
        try:
            values = [float(word) for word in rest.split()]
            found[key] = values[0] if len(values) == 1 else values or rest.strip()
        except ValueError:
            found[key] = rest.strip()
    return found


def _require_rasters(
    version: tuple[int, int, int], definitions: dict[str, Any], given: dict[str, float]
) -> dict[str, float]:
    """Rasters that are given beside the file; raises where one is missing, so that nothing is guessed."""
    needed = next(names for least, names in NEEDED.items() if version[:2] >= least)
    added = {}
    for name in needed:
        value = definitions.get(name, given.get(name))
        if not isinstance(value, float | int) or not SHORTEST_s <= value <= LONGEST_s:
            what = "raster time missing" if name not in definitions else "bad raster time"
            raise InputError(
                what,
                field=f"[DEFINITIONS] {name}",
                found=definitions.get(name),
                expected=f"{SHORTEST_s:g} to {LONGEST_s:g} s; or give rasters={{...}}",
            )
        if name not in definitions:
            added[name] = float(value)
    return added


def _shims(lines: list[str]) -> dict[int, np.ndarray]:
    found: dict[int, np.ndarray] = {}
    for line in lines:
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            row = []
        if len(row) < 4 or len(row) != 2 + 2 * row[1] or not np.all(np.isfinite(row)):
            raise InputError(
                "bad line",
                field="extension RF_SHIMS",
                found=line[:60],
                expected="id, channels, magnitude and phase of each",
            )
        found[int(row[0])] = np.array(row[2::2]) * np.exp(1j * np.array(row[3::2]))
    if len({len(s) for s in found.values()}) > 1:
        raise InputError("shims of different numbers of channels", field="extension RF_SHIMS")
    return found


def _rotation(quaternion: list[float]) -> np.ndarray:
    norm = float(np.linalg.norm(quaternion))
    if not abs(norm - 1) < 1e-3:
        raise InputError("bad rotation", field="extension ROTATIONS", found=quaternion, expected="a unit quaternion")
    w, x, y, z = np.asarray(quaternion) / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _chain(start: int, chains: Mapping[int, tuple[Any, ...]], names: Mapping[int, str]) -> list[tuple[str, int]]:
    """Name and reference of every extension that begins with a number."""
    found: list[tuple[str, int]] = []
    while start:
        if start not in chains or len(found) > len(chains):
            raise InputError("extension that is not there, or one that never ends", field="[EXTENSIONS]", found=start)
        kind, reference, start = chains[start]
        if kind not in names:
            raise InputError("kind of extension that is not named", field="[EXTENSIONS]", found=kind)
        found.append((names[kind], int(reference)))
    return found


def _rf(lines: list[str], version: tuple[int, int, int]) -> tuple[list[str], dict[int, tuple[int, int]]]:
    """Lines of [RF] as the version has them, and the shapes of shims that stood behind them."""
    columns = columns_of(version)["[RF]"]
    plain, shapes = [], {}
    for line in lines:
        words = line.split()
        if len(words) == columns + 2 and version[:2] < (1, 5):
            try:
                one, two = int(words[-2]), int(words[-1])
            except ValueError:
                one, two = 0, 1
            if (one > 0) != (two > 0) or min(one, two) < 0:
                raise InputError("shim needs magnitudes and phases", field="[RF]", found=line[:60])
            if one:
                shapes[int(words[0])] = one, two
            words = words[:columns]
        if len(words) != columns:
            raise InputError("bad line", field="[RF]", found=line[:60], expected=f"{columns} columns")
        plain.append(" ".join(words))
    return plain, shapes


def _written(
    parts: Mapping[str, list[str]],
    version: tuple[int, int, int],
    added: Mapping[str, float],
    rf: list[str],
    blocks: np.ndarray,
) -> str:
    """The file without extensions: from version 1.4 on they change nothing that is read here."""
    drop = version[:2] >= (1, 4)
    blocks = blocks.copy()
    blocks[:, 7] *= 0 if drop else 1
    out = ["[VERSION]", f"major {version[0]}", f"minor {version[1]}", f"revision {min(version[2], 9)}", ""]
    out += ["[DEFINITIONS]", *parts.get("[DEFINITIONS]", []), *(f"{k} {v!r}" for k, v in added.items()), ""]
    out += ["[BLOCKS]", *(" ".join(map(str, row)) for row in blocks.tolist()), ""]
    for header, lines in parts.items():
        if header in ("[VERSION]", "[DEFINITIONS]", "[BLOCKS]", "[SIGNATURE]"):
            continue
        if header.startswith(("extension ", "[EXTENSIONS]")) and drop:
            continue
        if header.split()[1:2] in ([OWN[0]], [OWN[1]]):
            raise InputError("extension of a later version", field=header, found=".".join(map(str, version)))
        out += [header, *(rf if header == "[RF]" else lines), ""]
    return "\n".join(out) + "\n\n\n"
