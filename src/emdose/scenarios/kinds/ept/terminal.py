"""Results of an EPT run as text on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal

if TYPE_CHECKING:
    from rich.console import Console

SYMBOLS = {"conductivity": "conductivity [S/m]", "permittivity": "relative permittivity"}


def summary(console: Console, data: Mapping[str, Any]) -> None:
    """Means per tissue and method beside the truth, what each method did, and how far it can be trusted."""
    methods = data["ept"]["methods"]
    for quantity, title in SYMBOLS.items():
        entries = {n: e for n, e in data["quantities"].items() if n.startswith(f"{quantity}: ")}
        if entries:
            _means(console, title, entries, [m for m in methods if any(e["method"] == m for e in entries.values())])
            console.print()
    rows = [_method(name, about) for name, about in methods.items()]
    head = ("method", "type", "voxels", "no value", "valid", "unphysical", "noise / u", "error / u", "time")
    terminal.table(console, head, rows, right=(2, 3, 4, 5, 6, 7, 8), whole=(0,))
    terminal.say(
        console,
        "valid: share of the object's voxels whose value is physical and above its noise; "
        "noise / u: rms of the noise over its stated uncertainty, 1 when that is right; error / u: the "
        "same of the whole error, which holds the bias of the method",
    )
    if data["power_balance"]:
        terminal.trust(console, data)
    else:
        terminal.warnings(console, data)


def _means(console: Console, title: str, entries: Mapping[str, Mapping[str, Any]], methods: list[str]) -> None:
    erosion = max(e["erosion"] for e in entries.values())
    where = f", {erosion} or more voxels from the next tissue" if erosion else ""
    terminal.say(console, f"Mean {title}{where}; +- is k = 2 of noise and estimated bias", "bold")
    known = any("truth" in e for e in entries.values())
    rows = []
    for region in dict.fromkeys(e["region"] for e in entries.values()):
        mine = {e["method"]: e for e in entries.values() if e["region"] == region}
        first = next(iter(mine.values()))
        truth = [f"{first['truth']:.4g}"] if "truth" in first else ["-"] if known else []
        rows.append((region, str(first["voxels"]), *truth, *(_value(mine.get(m)) for m in methods)))
    head = ("tissue", "voxels", *(["truth"] if known else []), *methods)
    terminal.table(console, head, rows, right=range(1, len(head)), whole=(0,))


def _value(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "-"
    spread = entry["uncertainty"]
    return f"{entry['value']:.4g}" + ("" if spread is None else f" +- {spread['expanded']:.2g}")


def _method(name: str, about: Mapping[str, Any]) -> tuple[str, ...]:
    ratio = [about.get(f"z_{kind}_conductivity", about.get(f"z_{kind}_permittivity")) for kind in ("noise", "total")]
    flags = about["flags"]
    return (
        name,
        about["type"],
        str(about["voxels"]),
        str(about["missing"]),
        f"{100 * about['valid_share']:.0f} %" if "valid_share" in about else "-",
        str(flags["UNPHYSICAL"]),
        *("-" if r is None else f"{r:.2f}" for r in ratio),
        f"{about['seconds']:.1f} s",
    )
