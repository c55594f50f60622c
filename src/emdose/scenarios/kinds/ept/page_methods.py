"""The methods of an ``ept`` run as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emdose.report.pages import methods
from emdose.report.wording import is_finite, plain

SOURCES = {
    "helmholtz": ("helmholtz b1", "helmholtz"),
    "convection-reaction": ("convection-reaction",),
    "gradient": ("gradient",),
    "csi": ("csi",),
}
"""What the types of methods cite."""


def written(summary: Mapping[str, Any]) -> methods.Methods:
    """Data, reconstructions, and what is stated of their uncertainty."""
    writer = methods.Writer()
    data, scenario = summary["ept"]["data"], summary.get("scenario") or {}
    frequency: Any = (summary.get("provenance") or {}).get("frequency_Hz")
    frequency = frequency or (scenario.get("exposure") or {}).get("frequency_Hz")
    at = f" at {frequency / 1e6:.6g} MHz" if is_finite(frequency) else ""
    maps = f"{' × '.join(map(str, data['shape']))} voxels of {methods.grid_text(data['spacing_m'])}"
    given = scenario.get("data") or {}
    if data["type"] == "simulated":
        noise = f" with white noise of SNR {plain(given.get('snr'))}" if given.get("snr") else " without noise"
        writer.say(f"We reconstructed conductivity and permittivity from simulated B1+ maps{at} ({maps}){noise}")
        methods.engine(writer, summary)
        methods.tissues(writer, summary)
    else:
        writer.say(f"We reconstructed conductivity and permittivity from B1+ maps{at} ({maps}; {data['source']})")
    for name, about in summary["ept"]["methods"].items():
        kind = str(about["type"]).removeprefix("automatic-")
        radius = about["settings"].get("radius")
        size = f", half-width of the kernel {plain(list(dict.fromkeys(radius)))} voxels" if radius else ""
        cited = writer.cite(*SOURCES[kind]) if kind in SOURCES else ""
        writer.say(f"The method “{name}” is {about['method']} EPT{cited}{size}")
    erosion = max((e.get("erosion", 0) for e in summary["quantities"].values()), default=0)
    if summary["quantities"]:
        writer.say(
            f"Means per tissue are of what lies {erosion} or more voxels from the next tissue"
            if erosion
            else "Means per tissue are of all their voxels"
        )
    methods.uncertainty(writer, summary)
    methods.software(writer, summary)
    return writer.done()
