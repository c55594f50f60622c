"""Numbers and names as a reader wants to see them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

MINUS = "\u2212"
NARROW = "\u202f"
UNIT_TEXT = {"W/kg": "W/kg", "T": "T", "uT": "µT", "m^3": "m³", "kg/m3": "kg/m³", "degC": "°C", "1": ""}
SCALED = {
    "T": (1e6, "µT"),
    "T/sqrt(W)": (1e6, "µT/√W"),
    "T/sqrt(W/kg)": (1e6, "µT/√(W/kg)"),
    "Hz": (1e-6, "MHz"),
    "F": (1e12, "pF"),
}
"""Units that are shown in another size: factor and new unit."""
STATIC_T = 1e-3
"""From here on flux densities are shown in tesla."""
UNITS = {
    "W_kg": "W/kg",
    "V_m": "V/m",
    "S_m": "S/m",
    "kg_m3": "kg/m³",
    "degC": "°C",
    "deg": "°",
    "uT": "µT",
    "Hz": "Hz",
    "kg": "kg",
    "m": "m",
    "T": "T",
    "s": "s",
    "W": "W",
    "A": "A",
}
"""Endings of keys that are units, longest first."""
PARAMETER_UNITS = {
    "V_m": (1.0, "V/m"),
    "F": (1e12, "pF"),
    "H": (1e9, "nH"),
    "ohm": (1.0, "\N{OHM SIGN}"),
    "m": (1e3, "mm"),
    "deg": (1.0, "°"),
}
"""Endings of the parameters of sources: factor and unit in which they are shown."""
FOLDERS = re.compile(r"(?<![\w/:.])(?:[A-Za-z]:)?(?:[\\/][^\\/\s:;,\"'<>|()\[\]]+){2,}[\\/]([^\\/\s:;,\"'<>|()\[\]]+)")
"""Absolute paths of files: two folders or more, and the name."""
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def is_finite(value: Any) -> bool:
    """Whether something is a number, not a truth value, and finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 3) -> str:
    """A number with some significant digits, powers of ten for the very large and small, a dash for nothing.

    Parameters
    ----------
    value : float or None
        Anything that is not a finite number becomes a dash.
    digits : int
        Significant digits.
    """
    if isinstance(value, bool) or (not isinstance(value, int | float) and not hasattr(value, "__float__")):
        return "–"
    value = float(value)
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits}g}"))))
    if -4 <= exponent < max(digits, 5):
        text = f"{value:.{max(0, digits - 1 - exponent)}f}"
    else:
        text = f"{value / 10.0**exponent:.{digits - 1}f}{NARROW}×{NARROW}10{str(exponent).translate(SUPERSCRIPTS)}"
    return text.replace("-", MINUS)


def quantity(value: Any, unit: str, digits: int = 3) -> tuple[str, str]:
    """A value in the unit that a reader expects: the number and the unit, both as text.

    Parameters
    ----------
    value : float or None
        The value.
    unit : str
        Its unit; hertz become megahertz, and tesla microtesla unless there are a thousand of them.
    digits : int
        Significant digits.
    """
    # A B1+ is shown in microtesla, the field of a magnet is not.
    if unit in SCALED and isinstance(value, int | float) and not (unit == "T" and abs(value) >= STATIC_T):
        factor, unit = SCALED[unit]
        value = value * factor
    return number(value, digits), UNIT_TEXT.get(unit, unit)


def duration(seconds: Any) -> str:
    """A time window as text: "6 min", "10 s", or a dash."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return "–"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:.3g} s"


def words(name: str) -> str:
    """A field name as words: underscores become spaces."""
    return name.replace("_", " ").strip()


def quantity_name(name: str) -> str:
    """The name of a quantity in a summary as it is written in texts: "b1plus_rms" becomes "B1+ rms"."""
    text = " ".join({"b1plus": "B1+", "sar": "SAR", "sar:": "SAR:"}.get(word, word) for word in words(name).split())
    return text[:1].upper() + text[1:] if not text.startswith("ps") else text


def heading(key: str) -> str:
    """A key with its unit as words: "radius_m" becomes "radius [m]"."""
    for ending, unit in UNITS.items():
        if key.endswith(f"_{ending}") and len(key) > len(ending) + 1:
            return f"{words(key[: -len(ending) - 1])} [{unit}]"
    return words(key)


def parameter(key: str, value: Any) -> str:
    """One parameter of a source in words: "radius 0.15 m", "capacitance 20 pF", "high-pass birdcage"."""
    if key == "kind":
        return str(value)
    for ending, (factor, unit) in PARAMETER_UNITS.items():
        if key.endswith(f"_{ending}") and isinstance(value, int | float | list | tuple):
            values = value if isinstance(value, list | tuple) else [value]
            text = ", ".join(f"{factor * v:.6g}" for v in values)
            return f"{words(key[: -len(ending) - 1])} {text if len(values) == 1 else f'({text})'} {unit}"
    return f"{words(key)} {plain(value)}"


def flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as rows (dotted path, text), short lists on one line."""
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flat(value, f"{path}.") if value else [(path, "–")]
        elif isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
            for n, item in enumerate(value):
                rows += flat(item, f"{path}[{n}].")
        else:
            rows.append((path, plain(value)))
    return rows


def plain(value: Any) -> str:
    """Any value of a JSON file as short text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else "–"
    if isinstance(value, list | tuple):
        most = max((abs(v) for v in value if is_finite(v)), default=0.0)
        # What is left of a vector by rounding is nothing.
        text = ", ".join(plain(0.0 if is_finite(v) and abs(v) < 1e-12 * most else v) for v in value)
        return text if len(text) <= 200 else text[:197] + "..."
    return str(value)


def without_folders(value: Any) -> Any:
    """Texts without the folders of absolute paths, which tell where somebody works; names of files remain.

    Parameters
    ----------
    value : str, mapping, list, tuple or dataclass
        Of texts, at any depth; what is no plain text, or is markup or data, stays as it is.
    """
    if type(value) is str:
        return value if value.startswith("data:") else FOLDERS.sub(r"\1", value)
    if isinstance(value, Mapping):
        return {key: without_folders(one) for key, one in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(without_folders(one) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: without_folders(getattr(value, f.name)) for f in fields(value) if f.init})
    return value
