"""How an ``induction`` scenario runs: the field, the power, and the limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import emdose as em
from emdose.scenarios import BaseJob, JobPlan, new_result, put_map, tables
from emdose.solvers.running import Begin, silent

FORM, VERSION = "emdose toy induction", 1


@dataclass(frozen=True)
class InductionOutcome:
    """The rms field at the voxel centres [V/m], and what every outcome has."""

    E: np.ndarray
    summary: dict[str, Any]
    warnings: list[str]


class InductionJob(BaseJob):
    """A ball made ready to run."""

    def __init__(self, scenario, device="auto"):
        super().__init__(scenario, device)
        table = self.tables.ball
        # Whatever a model refuses is blamed on the file of the scenario and its table.
        with self.timed("ball"), tables.blamed_on(scenario.file, "ball"):
            self.ball = em.phantoms.sphere(table.radius_m, table.spacing_m, table.tissue)

    def plan(self):
        """What it will take."""
        return JobPlan(device=self.device, then=f"{' x '.join(map(str, self.ball.grid.shape))} voxels")

    def describe(self):
        """What was read."""
        return [f"ball: {self.ball.mass_kg:.4g} kg of {self.tables.ball.tissue}"]

    def solve(self, checkpoint=None, progress=None):
        """The rms field: E = (dB/dt) r / 2 on circles about z, r the distance from z."""
        (progress or silent)(Begin(stage="circles"))
        x, y = self.ball.grid.centres(0)[:, None, None], self.ball.grid.centres(1)[None, :, None]
        with self.timed("circles"):
            return np.where(self.ball.body, 0.5 * self.tables.field.dbdt_rms_T_s * np.hypot(x, y), 0.0)

    def evaluate(self, solution, progress=None):
        """Power and limit."""
        sigma = self.ball.conductivity(self.tables.field.frequency_Hz)
        power_W = float((sigma * solution**2).sum()) * self.ball.grid.voxel_volume_m3
        number = {"uncertainty": None, "note": ""}
        summary = {
            "quantities": {
                "E_rms_max": number | {"value": float(solution.max()), "unit": "V/m"},
                "absorbed_power": number | {"value": power_W, "unit": "W"},
            },
            "scenario": self.scenario.values(),
        }
        warnings = ["the ball is coarse"] if min(self.ball.grid.shape) < 10 else []
        return InductionOutcome(solution, summary | checks(summary), warnings)

    def write(self, stage, outcome, summary):
        """The field, in result.h5."""
        with new_result(stage, FORM, VERSION, summary["provenance"]) as file:
            put_map(file, "E", outcome.E.astype(np.float32), "V/m, rms")
            file.attrs["spacing_m"] = self.ball.spacing_m


def checks(summary, relative_uncertainty=0.0, **other):
    """The largest field beside its limit, as two entries of a summary."""
    if other:
        raise em.InputError(
            "this kind has no such circumstance", field=next(iter(other)), expected="relative_uncertainty"
        )
    value = summary["quantities"]["E_rms_max"]["value"] * (1 + relative_uncertainty)
    limit = summary["scenario"]["limit"]["E_rms_V_m"]
    row = {
        "mode": "",
        "quantity": "electric field, rms",
        "region": "ball",
        "averaging_mass_g": None,
        "window_s": None,
        "value": value,
        "limit": limit,
        "unit": "V/m",
        "margin_percent": 100 * (1 - value / limit),
        "verdict": "below limit" if value <= limit else "above limit",
        "verified": True,
    }
    return {"checks": [row], "check_inputs": {"standard": "limit of the scenario,", "edition": "today's"}}
