"""Run an ``ept`` scenario: B1+ maps, reconstructions, how close they come, and everything for the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose import resources
from emdose.ept import PropertyMap
from emdose.ept.judging.second_look import Maps, SecondLooks
from emdose.ept.local.plausibility import plausibility
from emdose.io.field_arrays import fields_arrays, fields_of_arrays
from emdose.io.kept_arrays import arrays_of, draws_arrays, draws_of, fingerprint, of_arrays
from emdose.models.coils.circuit import require_ideal
from emdose.models.exposure import Exposure
from emdose.scenarios.kinds.ept import build, result, schema
from emdose.scenarios.kinds.ept.judge import budgets, judged, quantities
from emdose.scenarios.kinds.ept.rehearsal import Kit, rehearse
from emdose.scenarios.shared import bodies, coils
from emdose.scenarios.shared.convergence import solver_convergence
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.results.fields import Fields
from emdose.solvers.running import Begin, Checkpoint, ProgressCallback, plural, silent

if TYPE_CHECKING:
    from emdose.ept import B1Map
    from emdose.io.disk import atomic
    from emdose.models.bodies import Phantom
    from emdose.models.coils.ideal import Coil
    from emdose.models.coils.plane_wave import PlaneWave
    from emdose.scenarios.shared.scenario import LoadedScenario

POWERS = ("absorbed", "extinction", "scattered")
LOOKED = ("conductivity", "permittivity")


@dataclass(frozen=True)
class EptOutcome:
    """What an ``ept`` run computed, before it is written.

    Parameters
    ----------
    data : Data
        B1+ maps and truth.
    body : Phantom or None
        The object of simulated maps.
    maps : dict of str to PropertyMap
        Result of every method.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    data: build.Data
    body: Phantom | None
    maps: dict[str, PropertyMap]
    summary: dict[str, Any]
    warnings: list[str]


class EptJob(BaseJob):
    """An ``ept`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto") -> None:
        super().__init__(scenario, device)
        file, tables = scenario.file, scenario.tables
        simulated = isinstance(tables.data, schema.SimulatedTable)
        self.coil = None if tables.coil is None else _ideal(tables.coil, file)
        channels, drives = 1, None
        if simulated:
            assert self.coil is not None
            channels = build.check_drives(tables.data, self.coil, file)
            drives = None if tables.data.channels else (tables.data.transmit, tables.data.receive)
        self.drives = drives
        self.methods = {n: build.method(table, file, n, self.coil, drives) for n, table in tables.methods.items()}
        self.body: Phantom | None = None
        self.data: build.Data | None = None
        frequency_Hz = tables.exposure.frequency_Hz
        if simulated:
            assert self.coil is not None
            with self.timed("phantom"):
                self.body = bodies.phantom(tables.phantom, file)
            with blamed_on(file, ""):
                self.exposure = Exposure(self.body, self.coil, frequency_Hz=frequency_Hz)
            with blamed_on(file, "solver"):
                self.solver = coils.vie(tables.solver)
            self.grid, present = self.body.grid, {"magnitude", "phase"}
        else:
            with self.timed("data"):
                self.data = build.from_files(tables.data, frequency_Hz, file)
            self.grid, channels = self.data.b1.grid, self.data.b1.channels
            names = ("magnitude", "phase", "reference")
            present = {name for name in names if getattr(self.data.b1, name) is not None}
        for name, table in tables.methods.items():
            build.check_method(table, self.grid.shape, channels, present, file, name)
        self._data = channels, present

    def solution_key(self) -> str:
        """Hash of what the fields of the ports depend on, or of the maps where these are measured."""
        if self.body is None:
            return self.scenario.part_sha256("data", "exposure")
        tables = ("phantom", "coil", "exposure", "solver")
        return self.scenario.part_sha256(*tables, without=("solver.max_iterations",))

    def solution_arrays(self, solution: Fields | None) -> dict[str, np.ndarray]:
        """The fields of all ports; nothing for measured maps."""
        return {} if solution is None else fields_arrays(solution)

    def solution_of(self, arrays: Mapping[str, np.ndarray]) -> Fields | None:
        """The fields of all ports; None for measured maps."""
        return None if self.body is None else fields_of_arrays(arrays, self.body)

    def plan(self) -> JobPlan:
        """Memory, time and size; raises ResourceError when it does not fit."""
        methods = f"{plural(len(self.methods), 'method')} of reconstruction"
        if self.body is None:
            shape = " x ".join(map(str, self.grid.shape))
            return JobPlan(device=self.device, then=f"{shape} voxels, {methods}")
        return JobPlan(device=self.device, solution=self.solver.plan(self.exposure, self.device), then=methods)

    def prepare(self) -> None:
        """Every method on a few voxels."""
        table, file = self.tables.data, self.scenario.file
        if self.data is None:
            known, kind = table.snr is not None, table.phase
        else:
            known, kind = self.data.b1.has_noise, self.data.b1.phase_kind
        rehearse(Kit(file, self.tables, self.grid, self.coil, self.drives, *self._data, known, kind, self.device))

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        lines = [f"frequency: {self.tables.exposure.frequency_Hz / 1e6:g} MHz"]
        size = f"{' x '.join(map(str, self.grid.shape))} voxels of {build.mm(self.grid.spacing_m)} mm"
        if self.body is not None and self.coil is not None:
            lines += [f"digital reference object: {self.body.name}, {size}", f"coil: {self.coil.name}"]
        else:
            assert self.data is not None
            names = [n for n in ("magnitude", "phase", "labels", "reference") if getattr(self.data.b1, n) is not None]
            voxels = int(np.count_nonzero(np.asarray(self.data.b1.mask)))
            lines += [f"data: {', '.join(names)}; {size}, {voxels} in the mask", *self.data.b1.notes]
        return [*lines, f"methods: {', '.join(f'{n} ({t.type})' for n, t in self.tables.methods.items())}"]

    def solve(self, checkpoint: Checkpoint | None = None, progress: ProgressCallback | None = None) -> Fields | None:
        """Fields of the coil when the maps are simulated, else None.

        Raises
        ------
        ConvergenceError, ResourceError, DeviceError
            As the solver; the ``partial`` fields of the first can still be given to :meth:`evaluate`.
        """
        if self.body is None:
            return None
        with self.timed("solve"):
            return self.solver.solve(self.exposure, self.device, progress=progress, checkpoint=checkpoint)

    def evaluate(self, solution: Fields | None, progress: ProgressCallback | None = None) -> EptOutcome:
        """Reconstruct by every method and compare with the truth where it is known."""
        tell = progress or silent
        data = self.data
        if solution is not None:
            assert self.body is not None
            with self.timed("data"), blamed_on(self.scenario.file, "data"):
                data = build.simulated(self.tables.data, solution, self.body)
        assert data is not None
        maps: dict[str, PropertyMap] = {}
        about: dict[str, Any] = {}
        rows: list[dict[str, Any]] = []
        challenge: list[dict[str, Any]] = []
        numbers: dict[str, Any] = {}
        for n, (name, table) in enumerate(self.tables.methods.items()):
            tell(Begin(stage="method", name=name, index=n, count=len(self.methods)))
            with self.timed(f"method {name}"):
                maps[name] = self._reconstruct(name, table, data.b1)
            tell(Begin(stage="judge", name=name, index=n, count=len(self.methods)))
            with self.timed(f"judging {name}"):
                clean = None
                if data.clean is not None and maps[name].propagation is not None:
                    clean = self._reconstruct(name, table, data.clean, spread=False)
                about[name], found, balls = judged(maps[name], clean, data, self.tables.evaluation)
                about[name] |= {"type": table.type, "seconds": self.timing[f"method {name}"]}
                rows += [{"method": name, **row} for row in found]
                challenge += [{"method": name, **row} for row in balls]
                numbers |= quantities(name, maps[name], data, self.tables.evaluation)
        summary = {
            "quantities": numbers,
            "checks": [],
            "check_inputs": {},
            "convergence": {"converged": True, "ports": []} if solution is None else self._convergence(solution),
            "power_balance": {} if solution is None else self._power(solution),
            "provenance": self._provenance(solution),
            "uncertainty": {"method": "stated", "inputs": [], "budgets": budgets(numbers)},
            "ept": {"data": self._about_data(data), "methods": about, "metrics": rows, "challenge": challenge},
        }
        return EptOutcome(data, self.body, maps, summary, self._doubts(summary))

    def write(self, stage: atomic.Stage, outcome: EptOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5, the NIfTI maps and fields.vti into a stage."""
        output = self.tables.output
        result.write_result(
            stage,
            b1=outcome.data.b1,
            labels=outcome.data.labels,
            names=outcome.data.names,
            truth=outcome.data.truth,
            maps=outcome.maps,
            body=outcome.body,
            provenance=summary["provenance"],
        )
        if output.nifti:
            result.write_nifti(stage, outcome.maps)
        if output.paraview:
            data = outcome.data
            result.write_vti(stage, data.b1, data.labels, data.names, data.truth, outcome.maps)

    def _reconstruct(self, name: str, table: Any, b1: B1Map, *, spread: bool = True) -> PropertyMap:
        with blamed_on(self.scenario.file, f"methods.{name}"):
            told = table.model_dump(), spread, self.device, resources.code_sha256("ept")
            key = fingerprint(told, b1)
            found = self.kept(
                f"method-{key}",
                lambda: build.reconstructed(self.methods[name], table, b1, self.device, spread=spread),
                _map_arrays,
                lambda arrays: _map_of(arrays, b1),
            )
            looks = self.methods[name].second_looks(b1, found, self.device)
            if isinstance(looks, SecondLooks):
                looks = looks.kept(lambda i, make: self.kept(f"look-{key}-{i}", make, _look_arrays, _look_of))
            return replace(found, bias_estimate=looks)

    def _about_data(self, data: build.Data) -> dict[str, Any]:
        b1 = data.b1
        assert b1.mask is not None
        about: dict[str, Any] = {
            "type": self.tables.data.type,
            "source": b1.source,
            "shape": b1.grid.shape,
            "spacing_m": b1.grid.spacing_m,
            "mask_voxels": int(np.count_nonzero(b1.mask)),
            "channels": b1.channels,
            "phase_kind": None if b1.phase is None else b1.phase_kind,
            "wrapped": bool(b1.wrapped),
            "noise_known": bool(b1.has_noise),
            "labels": list(data.names.values()),
            "notes": list(b1.notes),
        }
        said = plausibility(b1)
        about["plausibility"] = [{"name": m.name, "value": m.value, "hint": m.hint} for m in said.measures()]
        about["likely_cause"] = said.cause
        if data.phase_error is not None:
            inside = data.phase_error[b1.mask]
            about |= {
                "phase_error_rms_rad": float(np.sqrt(np.mean(inside**2))),
                "phase_error_max_rad": float(np.abs(inside).max()),
            }
        return about

    def _convergence(self, fields: Fields) -> dict[str, Any]:
        return solver_convergence(fields, self.tables.solver.tolerance)

    def _power(self, fields: Fields) -> dict[str, float]:
        name = fields.ports[0] if self.tables.data.channels else self.tables.data.transmit
        driven = (
            fields
            if len(fields.ports) == 1
            else fields.drive(np.eye(len(fields.ports))[0] if self.tables.data.channels else name)
        )
        return {k: float(v) for k, v in driven.power.power().items()}

    def _provenance(self, fields: Fields | None) -> dict[str, Any]:
        if fields is None or self.body is None:
            return {"device": self.device}
        return {**fields.provenance, "phantom_sha256": self.body.hash()}

    def _doubts(self, summary: dict[str, Any]) -> list[str]:
        methods = summary["ept"]["methods"]
        return [f"method '{name}' gave no voxel a value" for name, about in methods.items() if not about["voxels"]]


def _map_arrays(found: PropertyMap) -> dict[str, np.ndarray] | None:
    """A map as arrays; None where its noise spreads by a rule that is no array, as that of the quick local methods."""
    draws = draws_arrays(found.propagation)
    return None if draws is None else arrays_of(found, without=("grid", "data", "propagation", "bias_estimate")) | draws


def _look_arrays(maps: Maps | None) -> dict[str, np.ndarray] | None:
    """A look as arrays; None for one that gave nothing, which is tried again."""
    if maps is None:
        return None
    return {name: m for name, m in zip(LOOKED, maps, strict=True) if m is not None}


def _look_of(arrays: Mapping[str, np.ndarray]) -> Maps | None:
    conductivity, permittivity = (arrays.get(name) for name in LOOKED)
    return conductivity, permittivity


def _map_of(arrays: Mapping[str, np.ndarray], b1: B1Map) -> PropertyMap:
    draws, rest = draws_of(arrays)
    return of_arrays(PropertyMap, rest, grid=b1.grid, data=plausibility(b1), propagation=draws)


def _ideal(table: Any, file: object) -> Coil | PlaneWave:
    """The coil of a scenario, whose currents must be given."""
    with blamed_on(file, "coil"):
        return require_ideal(coils.coil(table, file))  # type: ignore[return-value]
