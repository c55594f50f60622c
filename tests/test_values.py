"""Values stay what they are: every public dataclass is read-only inside, compares, copies, and has a short text.

Oracle: the rule of sharing in ``emdose.values`` and the behaviour of Python's own immutable values.
"""

from __future__ import annotations

import ast
import copy
import inspect
import json
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ept_cases import cylinder
from made_up_implant import bore as made_up_bore
from made_up_implant import made_up_implant, tensor_of
from made_up_result import made_up_result
from public_values import public_dataclasses
from surfaces import icosphere

import emdose as em
from emdose import eptlib_bridge
from emdose.circuits.circuit import Circuit, Connected, Operation
from emdose.circuits.elements import RLC, Coupling, Feed, TwoPort
from emdose.circuits.matching import Matching
from emdose.circuits.modes import Mode
from emdose.circuits.unloaded import CoilMode, CoilTuning
from emdose.compliance.checks import Check, Checks
from emdose.compliance.limits import Limit
from emdose.compliance.terms.confirmations import Confirmation
from emdose.compute.shared import Sharing
from emdose.dosimetry.averaging.cubes import PeakCube
from emdose.dosimetry.in_metal import MetalPart, MetalPower
from emdose.dosimetry.near_metal import MetalShells
from emdose.dosimetry.power import TissueRow
from emdose.dosimetry.sampling import ModelSamples
from emdose.dosimetry.sar import Peak
from emdose.dosimetry.temperature import ThermalDose
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.ept.local.automatic import ChosenBias
from emdose.ept.local.savitzky_golay import SavitzkyGolay
from emdose.ept.local_sar import LocalSar
from emdose.mechanics import (
    Fall,
    LorentzLoad,
    MomentTensor,
    StaticFieldMap,
    SwitchedLoad,
    force_table,
    magnetism,
    metal_course,
    rigid_body,
    rigid_vibration,
)
from emdose.models import UniformField
from emdose.models.bodies import gel_box
from emdose.models.coils.conductors import FeedPort, LumpedElement, Plate, Sheet, SolidConductor, Strip, Wire
from emdose.models.coils.ideal import Shield
from emdose.models.grids.split import SplitGrid
from emdose.models.implants.implanted_body import implanted
from emdose.models.induction.magnets import Cryostat, SolenoidCoil
from emdose.scenarios import Difference
from emdose.scenarios.kinds.ept.result import EptResult
from emdose.scenarios.kinds.rf.result.thermal_maps import ThermalMaps
from emdose.scenarios.run import RunOutcome
from emdose.scenarios.study import RefinementStudy
from emdose.scenarios.study.arms import Stratum
from emdose.scenarios.study.result import StudyCase
from emdose.scenarios.study.runs import SampleOutcome
from emdose.scenarios.study.uncertain_inputs import Variation
from emdose.solvers.eddy.plan import EddyPlan
from emdose.solvers.eddy.voxels.modes import Modes
from emdose.solvers.eddy.voxels.solution import EddySolution
from emdose.solvers.eddy.voxels.sources import Source
from emdose.solvers.fdtd.run_result import SteppedRun
from emdose.solvers.fdtd.setup.mirrors import Mirror
from emdose.solvers.fdtd.setup.plan import FdtdPlan
from emdose.solvers.heat.directions import HotSpot, NearMetal
from emdose.solvers.heat.options import HeatPlan
from emdose.solvers.heat.sources import PowerDensity
from emdose.solvers.heat.stepping import Perfusion
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.moving.planning import MovingPlan
from emdose.solvers.results.discretisation import Discretisation
from emdose.solvers.results.fields import PowerBalance
from emdose.solvers.results.lead_response import LeadResponse
from emdose.solvers.results.orientations import PowerForm
from emdose.solvers.running import Plan
from emdose.solvers.surface.mesh import Surface
from emdose.solvers.vie.library.region import LibraryPlan
from emdose.solvers.vie.problem import ViePlan
from emdose.solvers.vsie.plan import VsiePlan
from emdose.uncertainty import BudgetCheck, Strata, chaos_uncertainty, check_by_trials, peak_samples, refinement
from emdose.validity import Measure, judge
from emdose.values import FrozenDict, FrozenList, frozen, owned, read_only, unit_of

INTERNAL = {Modes, SteppedRun}
"""State of a solver that a public value carries along for later use: it grows while the solver runs."""

F = 128e6
SHAPE = (6, 5, 4)
GRID = em.Grid(SHAPE, 5e-3)
FLAT_PLAN: dict[str, Any] = {"bytes": 2**20, "seconds": 1.0, "size": 6, "device": "cpu"}
PLAN: dict[str, Any] = {"bytes": 1, "seconds": 1.0, "size": 1, "device": "cpu", "shape": SHAPE}
RNG = np.random.default_rng(5)


def numbers(*shape: int, kind: str = "f") -> np.ndarray:
    """Fresh numbers that a caller could still write to."""
    a = RNG.normal(size=shape)
    return (a + 1j * RNG.normal(size=shape)).astype(np.complex64) if kind == "c" else a.astype(np.float32)


def everywhere(x: Any, y: Any, z: Any) -> Any:
    return x * y * z == x * y * z


def half_space(points: np.ndarray) -> np.ndarray:
    """Signed distance from the plane x = 0."""
    return points[:, 0]


def potential(points: np.ndarray) -> np.ndarray:
    return points


def audit_() -> em.Audit:
    axes = (np.arange(6.0), np.arange(5.0), np.arange(4.0))
    found = em.ForeignFields("CST", axes, numbers(1, 3, *SHAPE, kind="c"), None, ("a",), F, {"time": "exp(+jwt)"})
    return em.audit(found, length=5e-3, amplitude="peak", drive="V source")


def phantom() -> em.Phantom:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:-1, 1:-1, 1:-1] = 1
    tissues = [em.TissueTable.default()[n] for n in ("air", "muscle")]
    return em.Phantom(GRID, labels, tuple(tissues), "block", {"all": np.ones(SHAPE, bool)})


def fields_() -> em.Fields:
    square = np.eye(2, dtype=complex)
    return em.Fields(
        grid=GRID,
        frequency_Hz=F,
        E=numbers(2, 3, *GRID.node_shape, kind="c"),
        B=numbers(2, 3, *GRID.node_shape, kind="c"),
        body=np.ones(SHAPE, bool),
        body_mass_kg=1.0,
        power=PowerBalance(square, square.copy(), square.copy(), 0 * square),
        ports=("a", "b"),
        drives={"both": np.ones(2, complex)},
        drive_unit="A",
        residual=np.zeros(2),
        convergence={"history": [[1.0, 0.1], [1.0, 0.2]], "ports": [{"steps": np.arange(3)}]},
        provenance={"engine": "none", "options": {"tolerance": 1e-3, "weights": np.arange(4.0)}},
    )


def sar() -> em.SarMap:
    return em.SarMap(np.abs(numbers(*SHAPE)), "trapezium", GRID, np.full(SHAPE, 1e3), {"drive": {"weights": [1, 2]}})


def network() -> em.Network:
    return em.Network(np.array([F, 2 * F]), 0.1 * numbers(2, 2, 2, kind="c"), ("a", "b"))


def loop() -> Any:
    return em.CapacitorLoop(radius_m=0.05)


def limit() -> Limit:
    return Limit(
        "IEC",
        "2022",
        "SAR",
        "normal",
        "head",
        "volume",
        360.0,
        None,
        None,
        None,
        "3.2",
        "W/kg",
        "average",
        "verified",
        "",
        "x",
    )


def heat_result() -> em.HeatResult:
    window = (slice(0, 2), slice(0, 2), slice(0, 2))
    return em.HeatResult(
        phantom(),
        numbers(*SHAPE),
        np.ones(SHAPE, bool),
        numbers(6, *SHAPE),
        np.array([1.0, 2.0]),
        window,
        numbers(6, 2, 2, 2, 2),
        {"rf": numbers(*SHAPE)},
        {"rf": numbers(2, 2, 2, 2)},
        np.full(SHAPE, 37.0),
        np.eye(3),
        0.0,
        0.0,
        {"rms_T_s": [1.0, 2.0]},
    )


def tuning() -> CoilTuning:
    return CoilTuning(loop(), F, {"C": 1e-12}, (CoilMode(F, 100.0, {"C": 1.0}, numbers(3, kind="c")),), (0,))


def ept_result() -> EptResult:
    maps = {"Helmholtz": property_map()}
    truth = {"conductivity": np.ones(SHAPE)}
    return EptResult(Path("out"), {"ept": {"a": [1, 2]}}, b1_map(), np.ones(SHAPE, np.uint8), {1: "oil"}, truth, maps)


def b1_map() -> em.ept.B1Map:
    return em.ept.B1Map(GRID, F, magnitude=np.abs(numbers(*SHAPE)), phase=numbers(*SHAPE), mask=np.ones(SHAPE, bool))


def property_map() -> Any:
    return em.ept.Helmholtz(radius=1).reconstruct(cylinder((20, 20, 5), (8e-3,) * 3).b1, device="cpu")


def spectrum() -> Any:
    return em.waveforms.Spectrum(np.array([1e3, 3e3]), np.ones((2, 1)))


def waveform() -> Any:
    return em.waveforms.Waveform(
        "steps",
        np.array([0.0, 1e-3, 2e-3]),
        np.array([[1.0], [-1.0]]),
        np.array([[1.0], [-1.0]]),
        about={"rise": [1, 2]},
    )


def rf_pulse_() -> Any:
    return em.RfPulse(np.array([1e-4, 1e-3]), np.array([500.0 + 0j]))


def pulse_sequence_() -> Any:
    shims = np.array([[1.0, 1j]])
    return em.PulseSequence("one", np.array([1e-3, 9e-3]), np.array([0, -1]), (rf_pulse_(),), np.array([0, -1]), shims)


def drive_reference_() -> Any:
    return em.DriveReference(numbers(3, 2, kind="c"), np.ones(2) + 0j, "slice", ("a", "b"), "A")


def sequence_exposure_() -> em.SequenceExposure:
    powers = {"absorbed": 0.01 * np.eye(2) + 0j}
    parts = em.GlobalMatrices(
        ("whole body",), np.eye(2)[None] + 0j, np.ones(1), ("all",), powers, ("a", "b"), "A", "trapezium"
    )
    return em.sequence_exposure(pulse_sequence_(), parts, drive_reference_())


def sequence_quantity_() -> Any:
    return sequence_exposure_().quantities[0]


def sequence_window_() -> Any:
    return sequence_quantity_().windows[0]


def sequence_sheet_() -> em.SequenceSheet:
    exposure = sequence_exposure_()
    return em.SequenceSheet((pulse_sequence_(),), (exposure,), exposure, em.check_sequence(exposure), {"checks": [1]})


def rf_course_() -> Any:
    return sequence_exposure_().course


def pulse_peaks_() -> Any:
    return sequence_exposure_().peaks


def sequence_with_gradients() -> Any:
    train = em.waveforms.epi(echoes=4)
    sequence = pulse_sequence_()
    return replace(sequence, durations_s=np.array([1e-3, train.duration_s - 1e-3]), gradients=train)


def sequence_heating_() -> Any:
    tensor = tensor_of(em.implants.sphere(5e-3), 2e-3)[0]
    return em.sequence_heating(sequence_with_gradients(), tensor, 0.1 * np.eye(3), max_frequency_Hz=2e3)


def sequence_torque_() -> Any:
    train = em.waveforms.epi(echoes=4)
    return em.mechanics.sequence_torque(train, moments(), 0.1 * np.eye(3), (0, 0, 3.0), max_frequency_Hz=270.0)


def gradient_coil() -> Any:
    a = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.column_stack([np.cos(a), np.sin(a), 0.1 + 0 * a])
    return em.GradientCoil("rings", "z", [ring, ring * [1, -1, -1]], None, {"radius_m": 1.0})


def part() -> Any:
    return em.implants.sphere(5e-3).parts[0]


def eddy_solution() -> EddySolution:
    return EddySolution(None, None, (Source("dBx/dt", "T/s", potential),), np.ones((1, 3)), 1e3)


def circuit() -> Circuit:
    return Circuit({"a": RLC(capacitance_F=1e-12)}, [Feed("in", "b")], [Coupling("a", "b", RLC(inductance_H=1e-9))])


def chaos(sparse: bool = False) -> Any:
    inputs = em.Inputs((em.Input("a", em.Normal(0.0, 1.0)), em.Input("b", em.Uniform(0.0, 1.0))))
    X = inputs.sample(12)
    return em.polynomial_chaos(inputs, X, X[:, :1] + np.linspace(0, 1, 30) * X[:, 1:], 1, sparse=sparse)


def circle(radius: float = 1.0, share: float = 1.0) -> float:
    """A function that is studied."""
    return share * 3.0 * radius**2


def study_case() -> StudyCase:
    """What a study of it finds."""
    one = em.Inputs((em.Input("radius", em.Normal(1.0, 0.1)),))
    each = {"radius": np.array([0.6])}
    return StudyCase("", 1.0, one, *np.array([[3.0], [3.0], [0.6]]), each, each, each, *np.ones((2, 1, 1)))


def moments() -> MomentTensor:
    return MomentTensor(np.array([270.0]), np.eye(3)[None], np.zeros((1, 3, 3)), np.eye(3))


def switched_torque() -> SwitchedLoad:
    return SwitchedLoad(np.array([1e3]), numbers(1, 3, kind="c"), "N m")


def lead_in_medium_() -> em.LeadInMedium:
    return em.lead_in_medium(
        em.Lead(np.array([[0.0, 0, 0], [0.1, 0, 0]]), 5e-4, 7.5e-4), 64e6, 80.0, 0.47, segment_m=0.01
    )


def surface_body() -> em.SurfaceBody:
    v, f = icosphere(1, 0.05)
    return em.SurfaceBody([em.Interface("skin", v, f, 0.3)])


def transfer_function_() -> em.TransferFunction:
    s = np.linspace(0, 0.3, 12)
    return em.TransferFunction(s, np.exp(-(1 + 7j) * s), 64e6, 80.0, 0.47, "exp(+jwt)")


def vops_() -> Any:
    matrices = np.eye(2)[None] * np.array([1.0, 0.5])[:, None, None]
    return em.compress(QMatrices(matrices + 0j, np.arange(2), em.Grid((2, 1, 1), 5e-3), ("a", "b"), "V", "linear"))


def global_matrices_() -> em.GlobalMatrices:
    powers = {"absorbed": numbers(2, 2, kind="c")}
    matrices = numbers(1, 2, 2, kind="c")
    return em.GlobalMatrices(("whole body",), matrices, np.ones(1), ("all tissue",), powers, ("a", "b"), "A")


def induced_() -> Any:
    body = gel_box(5e-3, (0.02, 0.02, 0.02))
    return em.Quasistatic(keep_edges=True).solve(body, em.Switched(UniformField(), "T/s"))


def trajectory_() -> em.Trajectory:
    return em.Trajectory("walk", np.array([0.0, 2.0]), np.array([[0.0, 0, 3], [0, 0, 1]]))


def safe_model_() -> Any:
    axis = em.dosimetry.SafeAxis((2e-4, 3e-5, 3e-3), (0.4, 0.1, 0.5), 30.0, 24.0, 0.35)
    return em.SafeModel("made up", axis, axis, axis)


def motion_field_() -> em.MotionField:
    body = gel_box(5e-3, (0.02, 0.02, 0.02))
    return em.Moving().solve(body, em.scanner_magnet(), trajectory_(), device="cpu", progress=False)


MAKERS: list[Callable[[], Any]] = [
    lambda: audit_(),
    lambda: audit_().findings[0],
    lambda: audit_().findings[0].evidence[0],
    lambda: em.ForeignFields(
        "CST", (np.arange(3.0), np.arange(4.0), np.arange(2.0)), numbers(1, 3, 3, 4, 2, kind="c"), None, ("a",), F
    ),
    vops_,
    lambda: em.SampleMargin.of(np.array([0.9, 1.1]), 0.95),
    em.Quasistatic,
    em.Bem,
    surface_body,
    lambda: surface_body().interfaces[0],
    lambda: surface_body().shells,
    lambda: Surface(*icosphere(1, 0.05)),
    lambda: em.Bem().plan(surface_body(), 1, "cpu"),
    lambda: em.Bem().solve(surface_body(), em.Switched(UniformField(), "T/s")),
    lambda: em.Switched(UniformField(), "T/s"),
    lambda: em.RigidMotion(UniformField(), turn_rad_s=(1, 0, 0)),
    induced_,
    lambda: induced_().edges,
    lambda: em.Quasistatic().plan(gel_box(5e-3, (0.02, 0.02, 0.02)), em.Switched(UniformField(), "T/s")),
    em.Moving,
    lambda: motion_field_(),
    lambda: motion_field_().sample,
    lambda: motion_field_().along(trajectory_()),
    lambda: em.MappedMagnet("map", np.arange(4.0), np.arange(1.0, 5), np.zeros((4, 4)), np.ones((4, 4))),
    em.MagneticDipole,
    lambda: em.figure_of_eight(turns=1),
    lambda: trajectory_(),
    lambda: trajectory_().poses(),
    lambda: SolenoidCoil(0.5, -1.0, 1.0, 1e6),
    lambda: Cryostat(0.3, 1.0, 2.0),
    lambda: em.StaticMagnet("magnet", [SolenoidCoil(0.5, -1.0, 1.0, 1e6)], Cryostat(0.3, 1.0, 2.0)),
    rf_pulse_,
    pulse_sequence_,
    drive_reference_,
    sequence_exposure_,
    sequence_quantity_,
    sequence_window_,
    rf_course_,
    sequence_sheet_,
    pulse_peaks_,
    lambda: em.sequence_pns(sequence_with_gradients()),
    sequence_heating_,
    sequence_torque_,
    lambda: sequence_heating_().envelope(1.0),
    lambda: em.NerveModel().peaks(em.waveforms.epi()),
    lambda: em.NerveModel(),
    lambda: em.NerveModel().response(em.waveforms.epi()),
    lambda: em.induced_table(induced_(), [1.0]),
    lambda: em.induced_table(induced_(), [1.0]).rows[0],
    lambda: em.weighting("ICNIRP 2010", "B reference", "public"),
    safe_model_,
    lambda: safe_model_().x,
    lambda: em.dosimetry.pulses(em.waveforms.epi()),
    moments,
    switched_torque,
    lambda: rigid_vibration(rigid_body(em.implants.sphere(5e-3)), switched_torque()),
    lambda: rigid_body(em.implants.sphere(5e-3)),
    lambda: magnetism("CoCrMo"),
    lambda: Fall(1.0, np.arange(3.0), np.arange(3.0), 0.0),
    lambda: metal_course(em.scanner_magnet(), trajectory_(), np.eye(3), (0, 0, 0)),
    lambda: LorentzLoad(numbers(4, 3), numbers(4, 3, kind="c"), numbers(3, kind="c")),
    lambda: StaticFieldMap("magnet", *np.ones((4, 2))),
    lambda: StaticFieldMap("magnet", *np.ones((4, 2))).largest_product,
    lambda: force_table(em.implants.sphere(5e-3), 1.5),
    lambda: force_table(em.implants.sphere(5e-3), 1.5)["weight"],
    lambda: em.Lead(np.array([[0.0, 0, 0], [0.1, 0, 0]]), 5e-4, 7.5e-4),
    lambda: em.TangentialE(np.arange(1.0, 3.0), np.ones(2), np.ones((1, 2), complex), F, ("a",), "A"),
    lambda: em.dosimetry.TierBound(1, 1.0, (0.0, 0.0, 0.0), 2.0, "K"),
    lambda: em.Tier3Result(numbers(3, 2, kind="c"), numbers(3, 2), ("a", "b"), {"": numbers(3, 2)}, 1.0, "I", "K"),
    lambda: em.dosimetry.LeadValidation(*np.ones((2, 3)), 1.0, 0.9, np.zeros(3), 0.1, 2.0, np.eye(3)),
    lambda: LeadResponse(
        numbers(3), numbers(2, 3, kind="c"), numbers(2, 2, kind="c"), np.ones((4, 3), int), np.ones(4, int), numbers(4)
    ),
    transfer_function_,
    lambda: em.fit_two_waves(transfer_function_()),
    lead_in_medium_,
    lambda: lead_in_medium_().segments,
    lambda: lead_in_medium_().in_field([1.0, 0, 0]),
    lambda: implanted(gel_box(2e-3, (0.02, 0.02, 0.02)), [em.implants.sphere(5e-3)]),
    lambda: em.Surgery(em.implants.ImplantShell(2e-3)),
    lambda: em.implants.ImplantShell(2e-3, "saline"),
    lambda: em.implants.ReamedCanal((0, 0, 0), (0, 0, 0.1), 5e-3),
    lambda: em.implants.BoneCut((0, 0, 0), (0, 0, 1)),
    lambda: em.implants.ReplacedTissue("bone_cortical", "shell", "bone_cement", 1e-3, 1e-6),
    fields_,
    lambda: fields_().power,
    sar,
    lambda: Peak(1.0, (1, 2, 3), (0.0, 0.0, 0.0), "muscle"),
    lambda: MetalPart("stem", "Ti6Al4V", 0.1, 1e-2, 0.02, 8e-5, 1.0),
    lambda: MetalPower((MetalPart("stem", "Ti6Al4V", 0.1, 1e-2, 0.02, 8e-5, 1.0),), numbers(*SHAPE), 0.1),
    lambda: PeakCube(1.0, (1, 2, 3), 21e-3, "centred", 0.1, "IEC/IEEE 62704-1"),
    lambda: em.MassAverage(numbers(*SHAPE), np.ones(SHAPE, np.uint8), numbers(*SHAPE), 1e-2),
    lambda: em.DriveConstraints.of(np.eye(2), 10.0),
    lambda: em.shim(np.eye(2) + 0j, 1.0, em.DriveConstraints.of(np.eye(2), 1.0)),
    lambda: em.worst_drive(np.eye(2), 1.0),
    lambda: em.power_modes(em.DriveConstraints.of(np.eye(2), 1.0)),
    lambda: em.channel_faults(np.eye(2), [1, 1j], 2.0),
    lambda: em.window_peaks(np.eye(2), np.eye(2), 1.0, (1.5,))[0],
    global_matrices_,
    lambda: em.dosimetry.PowerConsistency(0.001, 0.3),
    lambda: QMatrices(numbers(3, 2, 2, kind="c"), np.arange(3), GRID, ("a", "b"), "A", "trapezium"),
    lambda: em.TemperatureMatrices(
        numbers(3, 2, 2, kind="c"), np.arange(3), GRID, ("a", "b"), "A", 9.0, "linear", "points"
    ),
    lambda: em.TemperatureMap(numbers(*SHAPE), np.full(SHAPE, 37.0), GRID, 10.0, {"solver": "bioheat", "t": [1]}),
    lambda: TissueRow("muscle", 1.0, 1e-3, 1.0, 1.0, 2.0),
    limit,
    lambda: Confirmation("local SAR", "2022", "a clause", "10", "AB"),
    lambda: Check(limit(), "head", 1.0, 3.2),
    lambda: Checks("IEC", "2022", (Check(limit(), "head", 1.0, 3.2),), None, "", {"B1": [1, 2]}, ("a note",)),
    phantom,
    lambda: GRID,
    lambda: em.RectilinearGrid(np.arange(3.0), np.arange(4.0), np.arange(5.0)),
    lambda: em.TissueTable.default()["muscle"],
    lambda: em.TissueTable.default()["muscle"].dielectric,
    lambda: em.tissues.Constant(80.0, 0.5),
    lambda: em.tissues.Override(em.TissueTable.default()["muscle"].dielectric, 50.0),
    lambda: em.phantoms.TissueSolid("muscle", everywhere, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    lambda: em.Exposure(phantom(), em.PlaneWave(), F),
    lambda: em.PlaneWave(),
    lambda: em.IncidentField.on_points([np.arange(4.0)] * 3, numbers(2, 3, 4, 4, 4, kind="c"), frequency_Hz=F),
    lambda: em.CurrentElement(0.02),
    lambda: em.IncidentField.on_points([np.arange(4.0)] * 3, numbers(3, 4, 4, 4, kind="c"), frequency_Hz=F).E,
    lambda: Shield(0.3, 0.5),
    lambda: em.Coil(
        "pair",
        np.array([[[0, 0, 0], [1, 0, 0]], [[1, 0, 0], [0, 0, 0.0]]]),
        np.ones((1, 2)),
        ["in"],
        {"on": [1.0]},
        parameters={"size_m": [1.0, 2.0]},
    ),
    loop,
    lambda: em.Birdcage(),
    lambda: em.Loop(0.05),
    lambda: em.LoopArray(4),
    lambda: em.CapacitorLoopArray(4),
    lambda: em.StripArray(4),
    lambda: em.MicrostripArray(4),
    lambda: em.CircuitBirdcage(8),
    lambda: em.Dipole(0.3),
    lambda: em.CircuitCoil(**{f.name: getattr(loop(), f.name) for f in fields(em.CircuitCoil)}),
    lambda: loop().gaps[0],
    lambda: FeedPort("in", (0, 0, 0), (0, 0, 1e-3)),
    lambda: LumpedElement("C", (0, 0, 0), (0, 0, 1e-3), capacitance_F=1e-12),
    lambda: Wire(np.array([[0.0, 0, 0], [1, 0, 0]])),
    lambda: Sheet(np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0.0, 0, 0], [0, 1, 0]])),
    lambda: Strip(np.array([[0.0, 0, 0], [1, 0, 0]]), 0.1, np.array([0.0, 0, 1])),
    lambda: Plate((0.0, 0, 0), (1.0, 0, 0), (0.0, 1, 0)),
    lambda: SolidConductor(everywhere, (0.0, 0, 0), (1.0, 1, 1)),
    gradient_coil,
    lambda: em.GradientSet((gradient_coil(),)),
    lambda: em.waveforms.preset("iso-10974-clause-9"),
    spectrum,
    waveform,
    lambda: PowerForm(np.eye(24)),
    made_up_bore,
    lambda: em.waveforms.Sinusoid(1e3, np.array([0.0, 0.0, 1.0])),
    part,
    lambda: em.implants.sphere(5e-3),
    lambda: em.metals.get("CoCrMo"),
    circuit,
    lambda: Coupling("a", "b", RLC(inductance_H=1e-9)),
    lambda: Feed("in", "b"),
    lambda: TwoPort((("series", RLC(capacitance_F=1e-12)),)),
    lambda: Matching(circuit(), {"in": TwoPort()}, {"in": -30.0}, 3),
    network,
    lambda: Connected(network(), network(), circuit(), numbers(2, 2), numbers(2, 2), numbers(2, 2)),
    lambda: Operation(("a",), ("in",), *(numbers(1, 1) for _ in range(5)), {"C": numbers(1)}, numbers(1)),
    lambda: Mode(F, 100.0, numbers(3, kind="c"), True),
    tuning,
    lambda: tuning().modes[0],
    lambda: em.ept.Csi(),
    lambda: em.ept.EdgeField(
        numbers(2, 3, *GRID.node_shape, kind="c"), numbers(2, 3, *GRID.node_shape, kind="c"), {"on": np.ones(2)}, "made"
    ),
    lambda: em.ept.AutomaticHelmholtz(),
    lambda: em.ept.Helmholtz(),
    lambda: SavitzkyGolay("cuboid", (1, 1, 1), 2, (1e-3,) * 3),
    lambda: SavitzkyGolay("cuboid", (1, 1, 1), 2, (1e-3,) * 3).filters([0]),
    b1_map,
    lambda: em.ept.EchoFit(numbers(*SHAPE), numbers(*SHAPE), numbers(*SHAPE), None, 1.0),
    lambda: em.ept.Combination(numbers(*SHAPE, kind="c"), numbers(8, kind="c"), numbers(*SHAPE), "aligned"),
    property_map,
    lambda: em.ept.ConvectionReaction(),
    lambda: em.ept.Gradient(seeds=[em.ept.Seed((1, 1, 1), 1.0, 50.0)]),
    lambda: em.ept.Seed((1, 1, 1), 1.0, 50.0),
    lambda: em.ept.WaterContent((0.7, 0.8, 0.9), (0.5, 0.6, 1.0), (50.0, 60.0, 70.0), F, "made up"),
    lambda: eptlib_bridge.Case(Path("case"), b1_map(), eptlib_bridge.Settings("helmholtz"), ("conductivity",)),
    lambda: eptlib_bridge.EptlibConfig(
        Path("job"), b1_map(), eptlib_bridge.Settings("helmholtz"), None, {"conductivity": "x"}
    ),
    lambda: eptlib_bridge.Settings("helmholtz"),
    lambda: eptlib_bridge.Filter((1, 1, 1)),
    lambda: made_up_result(),
    lambda: made_up_result().coil,
    lambda: Difference("head_sar", "W/kg", 1.0, 1.2, 0.1, 0.2),
    lambda: em.compare(made_up_result(), made_up_result()),
    ept_result,
    lambda: made_up_implant(),
    lambda: next(iter(made_up_implant().exposures.values())),
    lambda: ThermalMaps(*(numbers(*SHAPE) for _ in range(3)), numbers(2), numbers(2), numbers(2)),
    lambda: RunOutcome(Path("out"), {"warnings": ["one", "two"]}, "new"),
    lambda: em.Normal(relative=0.1),
    lambda: em.Normal(0.7, 0.05),
    lambda: em.LogNormal(0.7, 0.05),
    lambda: em.TruncatedNormal(0.7, 0.05),
    lambda: em.StudentT(0.7, 0.05, dof=9),
    lambda: em.Uniform(0.6, 0.8),
    lambda: em.Triangular(0.6, 0.8),
    lambda: em.Beta(0.6, 0.8, a=2.0, b=3.0),
    lambda: em.Arcsine(half_width=0.1),
    lambda: em.Discrete((1.0, 2.0), (0.2, 0.8)),
    lambda: em.Input("mass", em.Normal(relative=0.1), 80.0, "kg"),
    lambda: em.Inputs(
        (em.Input("a", em.Normal(0.0, 1.0)), em.Input("b", em.Uniform(0.0, 1.0))), np.array([[1.0, 0.5], [0.5, 1.0]])
    ),
    chaos,
    lambda: chaos().indices,
    lambda: chaos().basis,
    lambda: chaos().basis.univariate[0],
    lambda: chaos().sobol,
    lambda: chaos(sparse=True),
    lambda: peak_samples(chaos(), 8),
    lambda: Strata(("one", "two"), (0.5, 0.5), (chaos(), chaos())),
    lambda: chaos_uncertainty(chaos(), chaos().inputs.sample(12), numbers(12, 30)),
    lambda: em.Contribution("grid", 0.1, kind="discretisation"),
    lambda: em.Budget("SAR", "W/kg", 1.0, (em.Contribution("grid", 0.1), em.Contribution("coil", 0.2)), np.eye(2)),
    lambda: em.monte_carlo(lambda x: x[:, 0], em.Inputs((em.Input("a", em.Normal(0.0, 1.0)),)), digits=1),
    lambda: em.beside_limit(9.0, 10.0, 2.0),
    lambda: BudgetCheck(0.01, 0.02, 0.05),
    lambda: check_by_trials("y", range(9), range(9), 0.0),
    lambda: check_by_trials("y", range(9), range(9), 0.0).rows[0],
    lambda: refinement((2e-3, 3e-3, 4e-3), (2.2, 2.3, 2.4)),
    lambda: Sharing(3, 2, 1, 1, 100),
    lambda: ModelSamples({"drive_A": numbers(3)}, numbers(3), numbers(3), np.ones(3, int), numbers(2, 2), 5),
    lambda: RefinementStudy("small", {"power": refinement((2e-3, 4e-3), (2.2, 2.4))}, {"power": "W"}, (Path("2mm"),)),
    lambda: em.Study(circle).vary("radius", em.Normal(relative=0.1)).strata("share", (0.5, 1.0)),
    lambda: Variation("radius", em.Normal(relative=0.1)),
    lambda: Stratum("share", (0.5, 1.0), (0.5, 0.5), "share"),
    lambda: SampleOutcome(0, "k", {"radius": 1.0}, {"area": 3.1}, {"area": "m²"}, {"map": numbers(*SHAPE)}),
    study_case,
    lambda: em.StudyResult("circle", "budget", ("area",), {"area": "m²"}, (study_case(),)),
    lambda: made_up_implant().tensor,
    eddy_solution,
    lambda: Source("dBx/dt", "T/s", potential),
    lambda: em.CoSimulation(network(), loop(), circuit(), 0.0, (None, [], None, {"all": 1.0}, None)),
    lambda: em.Fdtd(),
    lambda: em.Subdomain(1e-3),
    lambda: em.Vie(),
    lambda: em.Vsie(),
    lambda: MeshOptions(),
    lambda: VsiePlan(**FLAT_PLAN, metal_unknowns=1, rotations=1, gaps=1, feeds=1),
    lambda: em.BodyResponse(
        phantom(),
        F,
        0.1,
        0.2,
        0.01,
        em.Vsie(),
        *(numbers(2, 6, kind="c") for _ in range(2)),
        numbers(2, 2, kind="c"),
        np.arange(3),
        numbers(3, 2, kind="c"),
        np.ones(3),
        {"products": 1},
    ),
    lambda: MetalShells(np.array([0.0, 0.01]), np.ones(1), np.array([3]), 5e-3),
    lambda: em.ImplantLibrary(
        phantom(), F, np.ones(SHAPE, bool), em.Vie(), 1e-5, np.arange(2), *(numbers(2, n, kind="c") for n in (2, 6))
    ),
    lambda: LibraryPlan(**FLAT_PLAN, edges=2, kept="answers", file_bytes=1),
    lambda: em.EddyCurrent(),
    lambda: em.Bioheat(),
    lambda: Perfusion(),
    lambda: Mirror(0, (1, 0), (1, -1)),
    lambda: FdtdPlan(**PLAN, cells=1, steps=1, runs=1, time_step_s=1e-12, slowdown=1.0),
    lambda: Discretisation(across_body=20.0, across_tissue=10.0, per_wavelength=30.0, spacing_m=5e-3),
    lambda: ViePlan(**PLAN, ports=1, fft_shape=SHAPE, method="gmres", ports_at_once=1),
    lambda: HeatPlan(**FLAT_PLAN, cells=1, sources=6),
    lambda: Plan(**FLAT_PLAN),
    lambda: MovingPlan(**FLAT_PLAN, motions=2, poses=3, solution=Plan(**FLAT_PLAN)),
    lambda: EddyPlan(**PLAN, voxels=1, frequencies=1, fft_shape=SHAPE, steps=1, skin_depth_over_step=1.0),
    lambda: eptlib_bridge.Report((0, 4, 0), 1.0, "log", ()),
    heat_result,
    lambda: NearMetal(
        phantom(), numbers(*SHAPE), np.ones(SHAPE, bool), numbers(6, *SHAPE), numbers(6, 2, *SHAPE), {}, {}
    ),
    lambda: SplitGrid.around(GRID, (1, 1, 1), (2, 2, 2), (4, 4, 2)),
    lambda: PowerDensity(numbers(*SHAPE), GRID),
    lambda: ThermalDose(numbers(*SHAPE), numbers(*SHAPE), np.full(SHAPE, 37.0), 39.0, 900.0),
    lambda: HotSpot(1.0, (1, 1, 1), (0.0, 0.0, 0.0), "muscle"),
    lambda: em.implants.Shape(half_space, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    lambda: em.HeatCourse(
        phantom(),
        np.array([1.0]),
        numbers(1, *SHAPE),
        np.ones(1),
        np.full(SHAPE, 37.0),
        1.0,
        0.0,
        0.0,
        ("a",),
        {"n": [1]},
    ),
    lambda: ChosenBias((), np.zeros(SHAPE, np.uint8)),
    lambda: LocalSar(numbers(*SHAPE), None, np.zeros(SHAPE, np.uint8), GRID, 128e6, np.full(SHAPE, 1e3)),
    lambda: Measure("closure", 0.5),
    lambda: judge([Measure("closure", 0.5)]).findings[0],
    lambda: judge([Measure("closure", 0.05)], ["closure"]),
]


def made() -> list[Any]:
    """One of each."""
    return [make() for make in MAKERS]


VALUES = made()
EACH = pytest.mark.parametrize("number", range(len(VALUES)), ids=[type(v).__name__ for v in VALUES])


def inside(item: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that a value holds, nested, with where it is."""
    yield where, item
    if is_dataclass(item):
        for f in fields(item):
            yield from inside(getattr(item, f.name), f"{where}.{f.name}")
    elif isinstance(item, Mapping):
        for key, x in item.items():
            yield from inside(x, f"{where}[{key!r}]")
    elif isinstance(item, (tuple, list)):
        for n, x in enumerate(item):
            yield from inside(x, f"{where}[{n}]")


def state(item: Any) -> list[tuple[str, Any]]:
    """What a value says, in a form that can be compared."""
    plain = (str, bytes, bool, int, float, complex, np.generic, type(None), Path, slice)
    return [
        (where, x.tobytes() if isinstance(x, np.ndarray) else repr(x))
        for where, x in inside(item)
        if isinstance(x, (np.ndarray, *plain))
    ]


def takes_its_fields(value: Any) -> bool:
    """Whether the class is made from its fields: a dataclass itself, not by its base alone."""
    return "__dataclass_params__" in vars(type(value))


def test_every_public_dataclass_is_here() -> None:
    """A new one without an entry in MAKERS fails here."""
    here = {type(v) for v in VALUES}
    missing = public_dataclasses() - here - INTERNAL
    assert {c.__qualname__ for c in missing if not inspect.isabstract(c)} == set()


@EACH
def test_nothing_inside_can_be_written_to(number: int) -> None:
    for where, x in inside(VALUES[number]):
        if isinstance(x, np.ndarray):
            while isinstance(x, np.ndarray):
                assert not x.flags.writeable, where
                x = x.base
        elif isinstance(x, Mapping):
            with pytest.raises(TypeError):
                x["new"] = 1  # type: ignore[index]
            with pytest.raises((TypeError, AttributeError)):
                x.clear()  # type: ignore[attr-defined]
        else:
            assert not isinstance(x, (set, bytearray)), where
            if isinstance(x, list):
                with pytest.raises(TypeError):
                    x.append(1)


@EACH
def test_fields_cannot_be_replaced(number: int) -> None:
    value = VALUES[number]
    for f in fields(value):
        with pytest.raises(AttributeError):
            setattr(value, f.name, None)


@EACH
def test_text_is_short_and_has_no_arrays(number: int) -> None:
    text = repr(VALUES[number])
    assert len(text.splitlines()) <= 10
    assert len(text) < 2000
    assert text.startswith(type(VALUES[number]).__name__)
    assert "array(" not in text


@EACH
def test_table_is_escaped_html(number: int) -> None:
    table = VALUES[number]._repr_html_()
    assert table.startswith("<table")
    assert table.count("<tr>") == table.count("</tr>") >= 1
    assert set(re.findall(r"</?(\w+)", table)) <= {"table", "caption", "b", "tbody", "tr", "td"}


def test_a_name_that_is_markup_stays_a_name() -> None:
    table = replace(phantom(), name="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in table
    assert "&lt;script&gt;" in table


@EACH
def test_equality_and_hash_have_a_meaning(number: int) -> None:
    value, other = VALUES[number], MAKERS[number]()
    assert (value == value) is True
    assert (value == other) in (True, False)
    assert (value == "something else") is False
    if type(value).__hash__ is not None:
        assert hash(value) == hash(value)
        if value == other:
            assert hash(value) == hash(other)


@EACH
def test_copies_say_the_same(number: int) -> None:
    value = VALUES[number]
    copies = [copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    for made in [*copies, *([replace(value)] if takes_its_fields(value) else [])]:
        assert type(made) is type(value)
        assert state(made) == state(value)
        for where, x in inside(made):
            assert not isinstance(x, np.ndarray) or not x.flags.writeable, where
            assert not isinstance(x, list) or isinstance(x, FrozenList), where


@EACH
def test_what_was_given_can_change_without_changing_the_value(number: int) -> None:
    """Writable copies of all arrays and mappings go in, are changed afterwards, and the value says what it said."""
    value = VALUES[number]
    if isinstance(value, em.CurrentElement):
        return  # takes numbers alone, and its base, which takes arrays, holds no charge

    def thawed(x: Any) -> Any:
        if isinstance(x, np.ndarray):
            return x.copy()
        if isinstance(x, Mapping):
            return {k: thawed(v) for k, v in x.items()}
        if isinstance(x, list) or (type(x) is tuple and any(isinstance(v, np.ndarray) for v in x)):
            return [thawed(v) for v in x]
        return x

    # A coil of a shape is a Coil or a CircuitCoil that takes the shape's numbers: its base takes the arrays.
    cls = type(value) if takes_its_fields(value) else type(value).__base__
    given = {f.name: thawed(getattr(value, f.name)) for f in fields(value) if f.init}
    made: Any = cls(**given)
    before = state(made)

    def spoil(x: Any) -> None:
        if isinstance(x, np.ndarray) and x.size:
            x.reshape(-1).view(np.uint8)[...] ^= 255
        elif isinstance(x, dict):
            for v in x.values():
                spoil(v)
            x["spoiled"] = True
        elif isinstance(x, list):
            for v in x:
                spoil(v)
            x.append("spoiled")

    for x in given.values():
        spoil(x)
    assert state(made) == before


# ---- the rule of sharing ---------------------------------------------------------------------------------------------
@read_only(units={"a": "V/m per {unit}"})
@dataclass(frozen=True, eq=False)
class Thing:
    """A value for these tests."""

    a: Any
    unit: str = "A"
    b: Any = None
    about: Mapping[str, Any] = field(default_factory=dict)


def test_writable_arrays_are_copied_and_locked_ones_shared() -> None:
    base = np.arange(12.0)
    view = base[2:5]
    view.setflags(write=False)  # locked itself, but its base is not
    made = Thing(base, b=view)
    assert not np.shares_memory(made.a, base)
    assert not np.shares_memory(made.b, base)
    assert base.flags.writeable
    again = replace(made, b=made.a[3:5])
    assert again.a is made.a
    assert np.shares_memory(again.b, made.a)


def test_fresh_arrays_are_handed_over_without_a_copy() -> None:
    fresh = np.ones((3, 4))
    made = Thing(owned(fresh.T[None]), b=owned({"x": [np.ones(2)]}))
    assert np.shares_memory(made.a, fresh)
    assert not fresh.flags.writeable
    assert not made.b["x"][0].flags.writeable


def test_memory_of_another_kind_is_copied_unless_it_is_read_only() -> None:
    there = bytearray(16)
    view = np.frombuffer(there, np.uint8)
    view.setflags(write=False)
    assert not np.shares_memory(frozen(view), view)
    constant = np.frombuffer(bytes(16), np.uint8)
    assert frozen(constant) is constant


def test_a_broadcast_array_is_not_blown_up() -> None:
    wide = np.broadcast_to(np.array([[1.0], [2.0]]), (2, 1000))
    held = Thing(wide).a
    np.testing.assert_array_equal(held, wide)
    assert held.strides == (8, 0)
    assert held.base.size == 2


def test_layout_and_kind_survive_the_copy() -> None:
    a = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert frozen(a).flags.f_contiguous
    assert frozen(np.array(3.0)).shape == ()
    assert frozen(np.zeros((0, 3))).shape == (0, 3)


def test_arrays_that_cannot_be_locked_are_copied() -> None:
    class Elsewhere:
        def __init__(self, numbers: list[float]) -> None:
            self.numbers = numbers

        def __dlpack__(self) -> None: ...

        def copy(self) -> Elsewhere:
            return Elsewhere(list(self.numbers))

    given = Elsewhere([1.0])
    held = Thing(given).a
    given.numbers[0] = 2.0
    assert held.numbers == [1.0]


def test_mappings_are_frozen_all_the_way_down_and_look_like_dicts() -> None:
    given = {"list": [1, {"x": np.zeros(2)}], "set": {1}, "dict": {"y": [1]}}
    held = Thing(1, about=given).about
    given["dict"]["y"].append(2)  # type: ignore[index]
    assert held["dict"] == {"y": [1]}
    assert isinstance(held["list"][1], FrozenDict)
    assert isinstance(held["set"], frozenset)
    assert json.loads(json.dumps({"a": FrozenDict(b=[1, 2])})) == {"a": {"b": [1, 2]}}
    assert type(held | {"z": 1}) is dict
    name = held
    name |= {"z": 1}
    assert "z" not in held
    for change in ("clear", "popitem"):
        with pytest.raises(TypeError, match="read-only"):
            getattr(held, change)()
    with pytest.raises(TypeError, match="read-only"):
        del held["dict"]
    assert hash(FrozenDict(a=1)) == hash(FrozenDict(a=1))
    assert type(held.copy()) is dict


def test_lists_are_frozen_and_look_like_lists() -> None:
    given = [1, [2, np.zeros(2)]]
    held = Thing(given).a
    given[1].append(3)  # type: ignore[attr-defined]
    assert len(held[1]) == 2
    assert not held[1][1].flags.writeable
    assert Thing([1, (2, 3)]).a == [1, (2, 3)]
    assert json.dumps(FrozenList([1, [2]])) == "[1, [2]]"
    assert type(held.copy()) is list
    assert hash(FrozenList([1])) == hash(FrozenList([1]))
    name = held
    name += [4]
    assert len(held) == 2
    for change in ("clear", "pop", "sort", "reverse"):
        with pytest.raises(TypeError, match="read-only"):
            getattr(held, change)()
    with pytest.raises(TypeError, match="read-only"):
        held[0] = 2


def test_only_frozen_dataclasses_become_values() -> None:
    with pytest.raises(TypeError, match="not a frozen dataclass"):
        read_only(dataclass(type("Loose", (), {})))


def test_units_come_from_the_class_or_the_name() -> None:
    assert unit_of(Thing(np.ones(1), unit="W"), "a") == "V/m per W"
    assert unit_of(heat_result(), "baseline_degC") == "degC"
    assert unit_of(GRID, "shape") == ""


def test_text_says_name_shape_unit_and_peak() -> None:
    made = Thing(np.array([[1.0, -3.5], [np.nan, 2.0]]), b=np.array([True, False]), about={"k": 1})
    assert repr(made).splitlines() == [
        "Thing",
        "  a: (2, 2) float64, peak 3.5 V/m per A",
        "  b: (2,) bool, 1 true",
        "  about: mapping, k",
        "  unit='A'",
    ]
    assert repr(Thing(np.full(2, np.nan))).splitlines()[1] == "  a: (2,) float64, all NaN V/m per A"


def test_many_fields_still_make_ten_lines() -> None:
    names = [f"field_{n}" for n in range(40)]
    made = read_only(dataclass(frozen=True)(type("Wide", (), {"__annotations__": dict.fromkeys(names, Any)})))
    for filled in (np.zeros(3), "a word " * 8):
        text = repr(made(*[filled] * 40))
        assert len(text.splitlines()) == 10
        assert text.endswith("...")


# ---- what went wrong before ------------------------------------------------------------------------------------------
def test_fields_cannot_drift_from_their_power_balance() -> None:
    f = fields_()
    with pytest.raises(ValueError, match="read-only"):
        f.E[...] *= 2
    driven = f.drive("both").scale(absorbed_power_W=1.0)
    for where, x in inside(driven):
        assert not isinstance(x, np.ndarray) or not x.flags.writeable, where
    assert driven.body is f.body  # shared, as neither can change
    assert len(repr(f)) < 2000


def test_a_phantom_leaves_the_labels_of_its_caller_alone() -> None:
    labels = np.ones(SHAPE, np.uint8)
    tissues = tuple(em.TissueTable.default()[n] for n in ("air", "muscle"))
    body = em.Phantom(GRID, labels, tissues)
    labels[0] = 0
    assert body.labels.all()


def test_no_dataclass_with_arrays_compares_them_as_tuples() -> None:
    """The ``==`` that a dataclass writes itself raises where a field is an array: those have ``eq=False``."""
    guilty = []
    for path in sorted((Path(em.__file__).parent).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                made = [text for d in node.decorator_list if (text := ast.unparse(d)).startswith("dataclass")]
                kinds = [ast.unparse(b.annotation) for b in node.body if isinstance(b, ast.AnnAssign)]
                arrays = [k for k in kinds if "ndarray" in k and "Callable" not in k]
                guilty += [f"{path.name}: {node.name}"] if made and arrays and "eq=False" not in made[0] else []
    assert guilty == []
