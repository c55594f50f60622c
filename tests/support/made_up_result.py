"""A made-up result with the shape of an rf `RunResult`, for tests of the report (no physics in it)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from emdose.dosimetry.sar import SarMap
from emdose.models.bodies import Phantom, layered_head
from emdose.scenarios.kinds.rf.result.result import CoilSummary, RunResult

FREQUENCY_HZ = 127.74e6


def birdcage_segments(rungs: int = 16, radius: float = 0.15, length: float = 0.2) -> np.ndarray:
    a = 2 * np.pi * np.arange(rungs) / rungs
    ring = np.stack([radius * np.cos(a), radius * np.sin(a)], 1)
    low = np.column_stack([ring, np.full(rungs, -length / 2)])
    high = np.column_stack([ring, np.full(rungs, length / 2)])
    return np.concatenate(
        [np.stack([low, high], 1), np.stack([low, np.roll(low, -1, 0)], 1), np.stack([high, np.roll(high, -1, 0)], 1)]
    )


def check(
    mode: str, quantity: str, region: str, value: float | None, limit: float | None, **changes: Any
) -> dict[str, Any]:
    """One row as `compliance.Check.to_dict` makes it."""
    row = {
        "standard": "IEC 60601-2-33",
        "edition": "2022",
        "mode": mode,
        "quantity": quantity,
        "region": region,
        "coil_type": "volume",
        "window_s": 360.0,
        "averaging_mass_g": None,
        "statistic": "average",
        "value": value,
        "uncertainty": None,
        "limit": limit,
        "limit_formula": str(limit),
        "unit": "W/kg",
        "ratio": value / limit if value is not None and limit else None,
        "verified": True,
        "source": "a public summary",
        "counted": True,
        "note": "",
    }
    return row | changes


def made_up_summary(convergence: dict[str, Any] | None = None) -> dict[str, Any]:
    rows = []
    for mode, whole in (("normal", 2.0), ("first level", 4.0)):
        rows += [
            check(mode, "whole-body SAR", "whole phantom", 0.61 * whole / 2, whole, uncertainty=0.09),
            check(mode, "head SAR", "head, whole phantom down to the neck base", 1.9, 3.2),
            check(mode, "head SAR", "head, crown to chin", 2.3, 3.2, counted=False),
            check(mode, "partial-body SAR", "95 % power slab", 1.7, 9.6, note="r = 0.05 of 70 kg"),
            check(mode, "local SAR", "head", 9.1, 10 * whole / 2, averaging_mass_g=10.0, verified=False, counted=False),
            check(mode, "whole-body SAR", "whole phantom", None, None),
        ]
    return {
        "quantities": {
            "b1plus_rms": {"value": 2e-6, "unit": "T", "uncertainty": None, "note": "at the isocentre"},
            "whole_body_sar": {
                "value": 0.61,
                "unit": "W/kg",
                "uncertainty": {"expanded": 0.09, "k": 2, "basis": "given in the scenario"},
            },
            "head_sar": {"value": 1.9, "unit": "W/kg", "uncertainty": None, "note": "head", "mass_kg": 5.3},
            "psSAR10g": {
                "value": 9.1,
                "unit": "W/kg",
                "uncertainty": None,
                "location_m": [0.03, -0.07, 0.0],
                "tissue": "skin",
            },
        },
        "checks": rows,
        "check_inputs": {
            "standard": "IEC 60601-2-33",
            "edition": "2022",
            "b1plus_rms_T": 2e-6,
            "b1plus_region": "isocentre",
            "inputs": {"patient_mass_kg": 70.0},
            "notes": ["Volume coils carry no limit of the 10 g average."],
        },
        "convergence": convergence
        or {
            "converged": True,
            "tolerance": 1e-4,
            "meaning": "E_error_estimate is the relative error of E that the unfinished iteration leaves",
            "ports": [
                {
                    "name": n,
                    "iterations": 60 + s,
                    "residual": 9e-5,
                    "E_error_estimate": 2e-4,
                    "history": list(10 ** (-4.05 * np.linspace(0, 1, 60 + s))),
                }
                for n, s in (("cosine", 0), ("sine", 3))
            ],
        },
        "power_balance": {"absorbed_W": 2.61, "extinction_W": 2.73, "scattered_W": 0.11, "closure": 0.0037},
        "timing_s": {"solve": 12.1},
        "provenance": {
            "emdose": "0.1.0",
            "phantom_sha256": "0" * 64,
            "device": {"name": "cpu", "threads": 2},
            "scale": {"target": "b1plus_rms_T", "value": 2e-6, "over": "isocentre"},
        },
        "scenario": {"scenario": {"kind": "rf"}, "phantom": {"type": "layered-head", "spacing_m": 0.005}},
        "warnings": [],
    }


def made_up_result(
    spacing_m: float = 10e-3, folder: Path | None = None, phantom: Phantom | None = None, **changes: Any
) -> RunResult:
    phantom = phantom if phantom is not None else layered_head(spacing_m=spacing_m)
    x, y, z = phantom.grid.centre_points()
    b1 = (2e-6 * np.exp(-(x**2 + y**2) / 0.16**2) * np.cos(z / 0.12) * np.exp(1j * 9 * x)).astype(np.complex64)
    body, density = phantom.body, phantom.density
    sigma = phantom.conductivity(FREQUENCY_HZ)
    field = 450 * np.sqrt(x**2 + y**2) * np.cos(z / 0.13) * (1 + 3 * x)
    value = np.where(body, sigma * field**2 / (2 * np.where(body, density, 1.0)), 0.0).astype(np.float32)
    averages = {}
    for name, mass in (("1g", 1e-3), ("10g", 10e-3)):
        width = (mass / 1000) ** (1 / 3) / 3 / spacing_m
        smooth = gaussian_filter(value, width) / np.maximum(gaussian_filter(body.astype(float), width), 1e-6)
        averages[name] = SimpleNamespace(value=np.where(body, smooth, np.nan), flag=body * 3, side_m=None, mass_kg=mass)
    result = RunResult(
        folder=folder or Path("nowhere"),
        summary=made_up_summary(),
        phantom=phantom,
        coil=CoilSummary(
            "birdcage, 16 rungs", birdcage_segments(), np.ones(48, complex), "A", {"rungs": 16, "radius_m": 0.15}
        ),
        frequency_Hz=FREQUENCY_HZ,
        b1plus=b1,
        sar=SarMap(value, "trapezium", phantom.grid, density),
        averages=averages,
        fields=None,
    )
    return replace(result, **changes)


__all__ = ["birdcage_segments", "check", "made_up_result", "made_up_summary"]
