"""A made-up study, in the form that its page takes (no physics in it)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

INPUTS = ("phantom.tissues.skin.conductivity", "phantom.tissues.*.relative_permittivity", "coil.position_m[2]", "drive")
SHARES = (0.55, 0.25, 0.15, 0.05)


def budget(
    quantity: str = "psSAR10g", value: float = 1.73, unit: str = "W/kg", combined: float = 0.2
) -> dict[str, Any]:
    """What ``Budget.to_dict`` gives: four inputs with three quarters of the variance, and the grid."""
    rows = [
        {
            "source": name,
            "contribution": combined * math.sqrt(0.75 * share),
            "estimate": 0.7,
            "unit": "S/m",
            "law": "lognormal",
            "width": 0.07,
            "divisor": "1",
            "sensitivity": combined * math.sqrt(0.75 * share) / 0.07,
            "dof": None,
            "kind": "physical",
            "second_order": 0.0,
            "share_percent": 75 * share,
        }
        for name, share in zip(INPUTS, SHARES, strict=True)
    ]
    grid = {"source": "voxels", "contribution": combined * 0.5, "law": "normal", "divisor": "2", "width": combined}
    grid |= {"estimate": None, "unit": "", "sensitivity": None, "dof": None, "second_order": 0.0}
    rows.append({**grid, "kind": "discretisation", "share_percent": 25.0})
    return {
        "quantity": quantity,
        "unit": unit,
        "value": value,
        "combined": combined,
        "dof": None,
        "k": 1.96,
        "coverage": 0.95,
        "expanded": 1.96 * combined,
        "by_kind": {"physical": combined * math.sqrt(0.75), "discretisation": combined * 0.5},
        "nonlinear": ["drive"],
        "method": "polynomial chaos",
        "rows": rows,
        "correlation": None,
    }


def inputs() -> list[dict[str, Any]]:
    """Its inputs."""
    law = {"law": "lognormal", "relative": 0.1}
    more = {"law": law, "nominal": 0.7, "unit": "S/m", "group": "", "source": "a paper"}
    return [{"name": name, **more} for name in INPUTS]


def made_up_study(**changes: Any) -> dict[str, Any]:
    """A study of two outputs by polynomial chaos, with two failed samples."""
    outputs = {}
    for name, unit, value, sd in (("psSAR10g", "W/kg", 1.73, 0.17), ("b1plus_per_watt", "T", 1.3e-6, 4e-8)):
        values = np.random.default_rng(1).normal(value, sd, 4000)
        density, edges = np.histogram(values, 40, density=True)
        x = np.linspace(value - 3.5 * sd, value + 3.5 * sd, 120)
        pdf = np.exp(-0.5 * ((x - value) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
        outputs[name] = {
            "unit": unit,
            "value": value,
            "mean": value * 1.01,
            "sd": sd,
            "budget": budget(name, value, unit, sd / math.sqrt(0.75)),
            "first": dict(zip(INPUTS, SHARES, strict=True)),
            "total": dict(zip(INPUTS, (s + 0.01 for s in SHARES), strict=True)),
            "loo": 3e-4,
            "quantiles": {
                "0.025": value - 1.96 * sd,
                "0.5": value,
                "0.95": value + 1.64 * sd,
                "0.975": value + 1.96 * sd,
            },
            "histogram": {"edges": edges.tolist(), "density": density.tolist()},
            "pdf": {"x": x.tolist(), "density": pdf.tolist()},
            "limits": [],
        }
    limit = {"limit": 2.0, "label": "made up", "standing": "unverified", "doubtful": True}
    outputs["psSAR10g"] |= {"limits": [limit], "p_exceed": {"made up": 0.056}}
    study = {
        "name": "head-3t-uncertainty",
        "method": "chaos",
        "samples": 62,
        "cached": 12,
        "seconds": 95.0,
        "coverage": 0.95,
        "notes": ["The grid is that of the scenario."],
        "failed": [{"inputs": dict.fromkeys(INPUTS, 0.7), "error": f"not valid: {k}", "tries": 2} for k in range(2)],
        "inputs": inputs(),
        "strata": [],
        "outputs": outputs,
    }
    return study | changes
