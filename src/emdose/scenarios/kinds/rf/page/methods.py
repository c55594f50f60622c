"""The methods of an ``rf`` run as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emdose.report.pages import methods
from emdose.report.wording import duration, is_finite, number, parameter, words


def written(summary: Mapping[str, Any]) -> methods.Methods:
    """What was solved, how, and from which data."""
    writer = methods.Writer()
    about = summary.get("provenance") or {}
    body, coil = about.get("phantom") or {}, about.get("coil") or {}
    kept = ("name", "kind")
    built = ", ".join(parameter(k, v) for k, v in coil.items() if k not in kept and v is not None)
    inputs = (summary.get("check_inputs") or {}).get("inputs") or {}
    mass: Any = inputs.get("phantom_mass_kg")
    size = body.get("spacing_m")
    told = [f"{number(mass)} kg"] if is_finite(mass) else []
    told += [f"voxels of {methods.grid_text([size] if is_finite(size) else size)}"] if size else []
    frequency: Any = about.get("frequency_Hz")
    scenario = summary.get("scenario") or {}
    name = body.get("name") or (scenario.get("phantom") or {}).get("type") or "unnamed"
    kind = coil.get("name") or (scenario.get("coil") or {}).get("type") or "source"
    source = f"a {words(str(kind))}" + (f" ({built})" if built else "")
    writer.say(
        f"We computed the RF fields and SAR in the body model “{words(str(name))}”"
        + (f" ({', '.join(told)})" if told else "")
        + f" exposed to {source}"
        + (f" at {frequency / 1e6:.6g} MHz" if is_finite(frequency) else "")
        + _drive(about)
    )
    methods.engine(writer, summary)
    methods.tissues(writer, summary)
    masses = [f"{1e3 * m:g} g" for m in ((summary.get("scenario") or {}).get("dosimetry") or {}).get("masses_kg") or []]
    if masses:
        writer.say(f"SAR was averaged over {' and '.join(masses)} in cubes of tissue{writer.cite('averaging')}")
    checks = summary.get("check_inputs") or {}
    if summary.get("checks") and checks.get("standard"):
        writer.say(f"Values were set beside the limits of {checks['standard']}, edition {checks['edition']}")
    heat = summary.get("thermal")
    if heat:
        writer.say(
            f"Temperatures over {duration(heat['duration_s'])} were computed by the bioheat equation"
            f"{writer.cite('pennes')}, the thermal dose as CEM43{writer.cite('cem43')}"
        )
    methods.uncertainty(writer, summary)
    methods.software(writer, summary)
    return writer.done()


def _drive(about: Mapping[str, Any]) -> str:
    drive, scale = about.get("drive") or {}, about.get("scale") or {}
    text = f", {drive['name']} drive" if drive.get("name") else ""
    names = {
        "b1plus_rms_T": (1e6, "µT of B1+rms"),
        "whole_body_sar_W_kg": (1.0, "W/kg of whole-body SAR"),
        "absorbed_power_W": (1.0, "W of absorbed power"),
        "input_power_W": (1.0, "W of input power"),
    }
    if scale.get("target") in names and is_finite(scale.get("value")):
        factor, unit = names[scale["target"]]
        place = {"isocentre": " at the isocentre", "slice": " in the axial slice", "body": " over the body"}
        over = place.get(str(scale.get("over")), f" over {scale.get('over')}") if "B1+" in unit else ""
        text += f", scaled to {number(factor * scale['value'])} {unit}{over}"
    return text
