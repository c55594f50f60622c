"""Results of an implant run as text on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal
from emdose.scenarios.kinds.implant_gradient.worst.poses import pose

if TYPE_CHECKING:
    from rich.console import Console


def summary(console: Console, data: Mapping[str, Any]) -> None:
    """Power and temperature rise of every exposure, the rows beside documents and papers, and how far to trust them."""
    about = data["implant"]
    rows = [_exposure(name, one) for name, one in about["exposures"].items()]
    head = ("exposure", "worst rise", "tissue", "worst power", "here: rise", "tissue", "power", "dB/dt rms", "after")
    terminal.table(console, (*head, "hot spot", "CEM43"), rows, right=(1, 2, 3, 4, 5, 6, 7, 8, 10), whole=(0,))
    turned = any("worst_pose" in one for one in about["exposures"].values())
    terminal.say(
        console,
        "worst: over all orientations of the implant in the field, for rise and power each"
        + ("; its middle stays where it is" if turned else "")
        + "; here, hot spot and CEM43: in the pose and field of the scenario",
    )
    for name, one in about["exposures"].items():
        if one.get("worst_rise_K") is not None:
            terminal.say(console, f"{name}: worst rise with {pose(one, 'worst_rise')}")
    for name, one in about["exposures"].items():
        if one.get("bore"):
            where = ", ".join(f"{1e3 * x:.0f}" for x in one["bore"]["worst_place_m"])
            terminal.say(
                console,
                f"{name}: worst of {one['bore']['places']} places in the bore: ({where}) mm, "
                f"{_watt(one['bore']['worst_W'])} in the worst orientation there",
            )
    for text in dict.fromkeys(_baseline(one) for one in about["exposures"].values()):
        terminal.say(console, text)
    for name, one in about["exposures"].items():
        for rise, seconds in one.get("worst_time_to_K", one["time_to_K"]).items():
            here = one["time_to_K"].get(rise)
            if seconds is not None:
                text = (
                    "" if "worst_time_to_K" not in one else f", here {'not' if here is None else f'after {here:.0f} s'}"
                )
                terminal.say(console, f"{name}: a rise of {rise} K after {seconds:.0f} s{text}")
    if about["conditions"]:
        console.print()
        _conditions(console, about["conditions"])
    if about["comparison"]:
        console.print()
        terminal.say(console, "Beside published values (another implant; for plausibility only)", "bold")
        published = [
            (r["conditions"], f"{r['published_K']:g} K", f"{r['here_K']:.3g} K", r["source"])
            for r in about["comparison"]
        ]
        terminal.table(console, ("conditions", "published", "this run", "source"), published, right=(1, 2))
    console.print()
    _trust(console, data)


def _exposure(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    place = ", ".join(f"{1e3 * x:.0f}" for x in one["hot_spot_m"])
    return (
        name,
        _kelvin(one.get("worst_rise_K")),
        _kelvin(one.get("worst_tissue_rise_K")),
        _watt(one["worst_W"]),
        _kelvin(one["rise_K"]),
        _kelvin(one.get("tissue_rise_K")),
        _watt(one["power_W"]),
        f"{one['dbdt_rms_T_s']:.3g} T/s",
        f"{one['duration_s']:g} s",
        f"({place}) mm in {one['hot_spot_in']}",
        f"{one.get('cem43_excess_min', one['cem43_min']):.2g} min",
    )


def _baseline(one: Mapping[str, Any]) -> str:
    """What CEM43 is counted over."""
    if "cem43_excess_min" not in one:
        return "CEM43: the body's own temperature included"
    return (
        f"CEM43: over the baseline of {one['baseline_degC']:g} degC, which by itself counts "
        f"{one['cem43_baseline_min']:.2g} min in {one['duration_s']:g} s"
    )


def _conditions(console: Console, rows: Any) -> None:
    terminal.say(console, "Beside the exposures of documents", "bold")
    cells = [
        (
            r["exposure"],
            r["standard"],
            r["quantity"],
            f"{r['value']:.4g} {r['unit']}",
            "-" if r["level"] is None else f"{r['level']:.4g} {r['unit']}",
            "-" if r["level"] is None else "verified" if r["verified"] else "unverified",
        )
        for r in rows
    ]
    terminal.table(
        console,
        ("exposure", "document", "quantity", "this run", "document's", "status"),
        cells,
        right=(3, 4),
        whole=(0, 5),
    )
    for source in dict.fromkeys(r["source"] for r in rows if not r["verified"]):
        terminal.say(console, f"unverified: {source}")


def _trust(console: Console, data: Mapping[str, Any]) -> None:
    rows = data["implant"]["frequencies"]
    residual = max(r["residual"] for r in rows)
    identity = max(abs(r["identity"]) for r in rows)
    voxel = [r["skin_depth_over_step"] for r in rows if r["engine"] == "voxel"]
    missed = not data["convergence"].get("converged", True)
    skin = f"; skin depth over step at least {min(voxel):.2g} where voxels answer" if voxel else ""
    engines = " and ".join(dict.fromkeys(r["engine"] for r in rows))
    text = (
        f"Eddy currents: {len(rows)} frequencies, {engines} engine; residual {residual:.1e}, power against work of "
        f"the source {identity:.1e}{skin}"
    )
    terminal.say(console, text, "bold red" if missed else "")
    terminal.warnings(console, data)


def _kelvin(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g} K"


def _watt(value: float) -> str:
    return f"{value:.3g} W" if value >= 1 else f"{1e3 * value:.3g} mW"
