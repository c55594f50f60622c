"""Numbers of a scenario with inputs that moved a little, from what the run of the scenario has found.

Nothing is solved again but heat, and that on larger voxels and in known orientations: powers of another dB/dt, pose or
place follow from the power tensor, those of another conductivity of the metal from its law of frequencies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.io.kept_arrays import fingerprint
from emdose.scenarios.kinds.implant_gradient.rises import POWERS, Rises, coarser, surroundings
from emdose.scenarios.kinds.implant_gradient.worst.bore import at_worst_place
from emdose.scenarios.kinds.implant_gradient.worst.fields import (
    Oriented,
    fields_of,
    oriented,
)
from emdose.scenarios.kinds.implant_gradient.worst.poses import Poses
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.implants.exposures import BuiltExposure, exposures
from emdose.solvers.results.conductivity import of_conductivity

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.kinds.implant_gradient.job import ImplantJob
    from emdose.scenarios.kinds.implant_gradient.schema import ImplantScenario
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.heat.near_metal import MetalBody
    from emdose.solvers.results.power_tensor import PowerTensor

FACTOR = 2.0
"""Voxels of the heat over those of the run."""
LEAST_FREQUENCIES = 2
"""Solved frequencies without which nothing tells how power changes with frequency."""
KNOWN = re.compile(
    r"metals\.[^.]+\.\w+|gel\.\w+|phantom\.tissues\.[^.]+\.\w+|gradients\.position_m\.\d"
    r"|exposures\.[^.]+\.(dbdt_rms_T_s|gradient_T_m|slew_T_m_s|field_T)|thermal\.(surface_W_m2_K|baseline_degC)"
)
POSE = re.compile(r"implant\.(position_m|rotate_deg)\.\d")
THERMAL = ("density_kg_m3", "heat_capacity_J_kg_K", "thermal_conductivity_W_m_K")
SAME = 1e-9
"""Relative difference of conductivities, and distance in metres, that counts as none."""


class NearbyImplant:
    """How the numbers of a run move; see :class:`~emdose.scenarios.shared.kind.Nearby`.

    Parameters
    ----------
    job : ImplantJob
        The job of the run, which is not of an RF run.
    tensor : PowerTensor
        Its solution.
    about : mapping
        ``summary["implant"]["exposures"]`` of the run.
    factor : float
        Voxels of the heat over those of the run.
    """

    def __init__(
        self, job: ImplantJob, tensor: PowerTensor, about: Mapping[str, Mapping[str, Any]], factor: float = FACTOR
    ) -> None:
        self.job, self.tensor, self.about, self.factor = job, tensor, about, factor
        self.rises = Rises(job, tensor, about)
        self._oriented: dict[str, Oriented] = {}
        self._places: dict[str, BuiltExposure] = {}
        self._bodies: dict[str, MetalBody] = {}

    @property
    def words(self) -> str:
        """Where the sensitivities come from."""
        step = 1e3 * self.factor * self.job.tables.thermal.spacing_m
        return (
            "Sensitivities come from no runs of their own: powers follow from the power tensor, which scales with the "
            "conductivity of the metal and with frequency, and turns with the implant; rises are relative changes of "
            f"heat on voxels of {step:.3g} mm, in the orientations that the run has found worst and best."
        )

    def __call__(self, scenario: LoadedScenario, paths: Iterable[str]) -> dict[str, float] | None:
        """Numbers of a scenario that differs from that of the run by values of a few paths; None where it cannot say.

        Parameters
        ----------
        scenario : LoadedScenario
            The one that has moved.
        paths : iterable of str
            What has moved; none for the numbers at the nominal values, which the others compare with.
        """
        tables = scenario.tables
        if not all(self._knows(path) for path in paths):
            return None
        implant = self._implant(tables)
        factor = self._conducts(implant)
        if factor is None:
            return None
        tensor = self.tensor if factor == 1.0 else of_conductivity(self.tensor, factor)
        turn, shift = self._pose(tables)
        found: dict[str, float] = {}
        heated = {}
        for name, one in self._exposures(tables, shift).items():
            table = tables.exposures[one.key or one.name].model_dump()
            key = fingerprint(name, table, one.matrix, one.position_m, factor, turn)
            if key not in self._oriented:
                top = float(self.tensor.frequencies_Hz[-1])
                fields = fields_of(one, self.about[name], tensor, top, turn)
                self._oriented[key] = oriented(fields, tensor)
            kinds = self._oriented[key]
            heated[name] = one, kinds
            found |= {f"{said}: {name}": kinds.powers[role] for role, said in POWERS.items()}
        for name, about in self.about.items():
            if about.get("bore"):
                found[f"worst power in the bore: {name}"] = found[f"worst power: {at_worst_place(name)}"]
        return found | self.rises.numbers(tables, self._metal(tables, implant), heated)

    # ---- inside --------------------------------------------------------------------------------------------------
    def _knows(self, path: str) -> bool:
        """Whether the numbers can be told when this one moves."""
        plain = ".".join(str(step).replace(".", " ") for step in toml.steps_of(path))
        in_gel = self.job.tables.phantom is None
        return bool(KNOWN.fullmatch(plain) or (in_gel and POSE.fullmatch(plain)))

    def _implant(self, tables: ImplantScenario) -> Implant:
        """The implant of the run, of the metals of these tables."""
        mine = self.job.implant
        metals = [building.metal(p.metal.name, tables, self.job.scenario.file, "implant.metal") for p in mine.parts]
        if all(p.metal == m for p, m in zip(mine.parts, metals, strict=True)):
            return mine
        return replace(mine, parts=tuple(replace(p, metal=m) for p, m in zip(mine.parts, metals, strict=True)))

    def _conducts(self, implant: Implant) -> float | None:
        """Conductivity of the metal over that of the run; None where that is not one number, or tells nothing."""
        pairs = zip(implant.parts, self.job.implant.parts, strict=True)
        ratios = np.array([a.metal.conductivity_S_m / b.metal.conductivity_S_m for a, b in pairs])
        if np.all(np.abs(ratios - 1) < SAME):
            return 1.0
        few = len(self.tensor.frequencies_Hz) < LEAST_FREQUENCIES
        return None if few or np.ptp(ratios) > SAME else float(ratios[0])

    def _pose(self, tables: ImplantScenario) -> tuple[np.ndarray, np.ndarray]:
        """Turn of the implant out of the pose of the run, and how far the point about which it turns has moved [m]."""
        own, now = self.job.tables.implant, tables.implant
        moved = np.asarray(now.position_m, float) - np.asarray(own.position_m, float)
        if now.rotate_deg == own.rotate_deg:
            return np.eye(3), moved
        turn = Poses(self.job.implant, now.rotate_deg).first @ self.job.poses.first.T
        # The middle of its box is put to its place, and the box of a turned body has another middle.
        return turn, moved - (np.asarray(self.job.poses.told(turn)["position_m"]) - self.job.middle)

    def _exposures(self, tables: ImplantScenario, shift: np.ndarray) -> dict[str, BuiltExposure]:
        """The exposures of these tables, and those at the worst place of the bore, which does not move."""
        job, found = self.job, {}
        own = {one.name: one for one in job.exposures}
        default_s = tables.thermal.duration_s
        for one in exposures(tables, job.coils, job.middle + shift, job.linear, default_s, job.scenario.file):
            mine = own[one.name]
            if one.position_m is not None:
                here = np.abs(one.position_m - np.asarray(mine.position_m)).max() < SAME
                one = (
                    replace(one, matrix=mine.matrix, field=mine.field) if here else job.over_metal(one, one.position_m)
                )
            found[one.name] = one
        for name, about in self.about.items():
            if about.get("bore"):
                place = np.asarray(about["bore"]["worst_place_m"], float)
                if name not in self._places:
                    self._places[name] = job.over_metal(own[name], place)
                there, one = self._places[name], found[name]
                made = replace(one, matrix=there.matrix, field=there.field, position_m=place)
                found[at_worst_place(name)] = replace(made, name=at_worst_place(name), key=name)
        return found

    def _metal(self, tables: ImplantScenario, implant: Implant) -> MetalBody:
        """The metal in what surrounds it, on larger voxels."""
        said = [None if t is None else t.model_dump() for t in (tables.gel, tables.phantom)]
        key = fingerprint(said, [[getattr(p.metal, k) for k in THERMAL] for p in implant.parts])
        if key not in self._bodies:
            self._bodies[key] = surroundings(coarser(tables, self.factor), implant, self.job.scenario.file)
        return self._bodies[key]
