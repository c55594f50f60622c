"""An EPT run on the maps of a two-layered cylinder."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose import scenarios
from emdose.scenarios.kinds.ept.result import EptResult
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

FREQUENCY_HZ = 127.74e6
CYLINDER = LayeredCylinder([0.016, 0.036], [60.0, 75.0], [0.4, 0.8], FREQUENCY_HZ)
METHODS = {
    "masked": {"type": "helmholtz", "radius": 2},
    "phase <b>only</b>": {"type": "helmholtz", "method": "phase", "radius": 2},
    "slices": {"type": "convection-reaction"},
}


def run(folder: Any, **data: Any) -> EptResult:
    """A run on the maps of a two-layered cylinder."""
    x, y = np.meshgrid(*((np.arange(38) - 18.5) * 2e-3,) * 2, indexing="ij")
    x, y = (np.repeat(v[..., None], 7, axis=2) for v in (x, y))
    transmit, receive = CYLINDER.transmit_and_receive(x, y)
    layer = CYLINDER.layer(x, y)
    np.savez(
        folder / "maps.npz",
        mag=np.abs(transmit) * 1e6,
        phase=np.angle(transmit * receive),
        mask=layer < 2,
        seg=np.where(layer < 2, layer + 1, 0),
        sigma=np.choose(layer, [0.4, 0.8, 0.0]),
        eps=np.choose(layer, [60.0, 75.0, 1.0]),
    )
    names = {"magnitude": "mag", "phase": "phase", "mask": "mask"} | data
    content = {
        "scenario": {"kind": "ept", "name": "cylinder"},
        "exposure": {"frequency_Hz": FREQUENCY_HZ},
        "data": {"type": "files", "snr": 3000.0, "spacing_m": 2e-3, **{k: f"maps.npz:{v}" for k, v in names.items()}},
        "methods": METHODS,
    }
    (folder / "case.toml").write_text(toml.dump(content), encoding="utf-8")
    return read_result(scenarios.run(folder / "case.toml", folder / "result", device="cpu").folder)
