"""The tables of a scenario of kind ``implant-rf``: body, coil, drive, metal, surgery, the fine grid around it, heat."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from emdose.scenarios.shared.body_tables import Angles, DutyCycle, Phantom, Point, Power, TissueName
from emdose.scenarios.shared.circuit_tables import FdtdTable, is_circuit
from emdose.scenarios.shared.coil_tables import Coil, ExposureTable, VieTable
from emdose.scenarios.shared.driving.drive_tables import TargetTable, place_of
from emdose.scenarios.shared.implants.gradient_tables import Seconds
from emdose.scenarios.shared.implants.implant_tables import Implant, MetalTable, ShortName
from emdose.scenarios.shared.tables import (
    Header,
    Table,
    bad_value,
    count,
    number,
    numbers,
    one_of,
    switch,
    text,
    texts,
)

Thickness = Annotated[float, number("a length in metres (2 mm is 2e-3)", 0, 0.2, above=True)]
Within = Annotated[tuple[str, ...], texts('names of tissues, or "bone"')]


def _direction(value: Any) -> Any:
    if value == "worst":
        return value
    good = isinstance(value, list | tuple) and len(value) == 3
    if not good or not any(value) or not all(isinstance(v, int | float) and abs(v) < 1e6 for v in value):
        raise bad_value("'worst' (the direction of the largest power) or a direction [x, y, z]")
    return tuple(float(v) for v in value)


class ImplantDriveTable(Table):
    """How the ports are driven: the name of a drive of the coil."""

    name: Annotated[str, text("the name of a drive of the coil, such as 'quadrature'")] | None = None


class BackgroundTable(TargetTable):
    """The one quantity of the body without the implant that the fields are scaled to."""

    background_sar_W_kg: Annotated[float, number("a SAR in W/kg", 0, 1e6, above=True)] | None = None
    b1plus_rms_T: Annotated[float, number("a B1+rms in tesla (2 uT is 2e-6)", 0, 1, above=True)] | None = None
    whole_body_sar_W_kg: Annotated[float, number("a whole-body SAR in W/kg", 0, 1e6, above=True)] | None = None
    absorbed_power_W: Power | None = None
    over: Annotated[Literal["isocentre", "slice", "body"] | Point, place_of("isocentre", "slice", "body")] = "isocentre"


class ShellTable(Table):
    """A layer around the metal."""

    thickness_m: Thickness
    material: TissueName = "bone_cement"
    within: Within | None = None


class CanalTable(Table):
    """A reamed canal with round ends that is filled."""

    start_m: Point
    end_m: Point
    radius_m: Thickness
    material: TissueName = "bone_cement"
    within: Within | None = None


class CutTable(Table):
    """Bone beyond a plane."""

    point_m: Point
    normal: Annotated[tuple[float, ...], numbers("a direction x, y, z,", 3, -1e6, 1e6)]
    reach_m: Thickness | None = None
    material: TissueName = "muscle"
    within: Within = ("bone",)


class SurgeryTable(Table):
    """What is done to the body besides putting metal into it, in this order: cuts, canals, shell."""

    shell: ShellTable | None = None
    canals: dict[ShortName, CanalTable] = Field(default_factory=dict)
    cuts: dict[ShortName, CutTable] = Field(default_factory=dict)


class SubdomainTable(Table):
    """The fine grid around the implant."""

    spacing_m: Annotated[float, number("a cell size in metres", 1e-4, 0.02)]
    margin_m: Annotated[float, number("a length in metres", 5e-3, 0.2)] = 0.02
    rim_m: Annotated[float, number("a length in metres", 5e-3, 0.5)] = 0.03
    tolerance: Annotated[float, number("what is still to come over what is there", 1e-6, 0.1)] = 1e-3
    max_periods: Annotated[float, number("periods until it gives up", 0, 1e6, above=True)] = 40.0


class MetalDosimetryTable(Table):
    """How SAR is computed from E."""

    rule: Literal["trapezium", "linear", "mid-ordinate"] = "trapezium"
    metal: Literal["perfect", "both"] = "perfect"


class SiteThermalTable(Table):
    """How the heat around the implant is computed."""

    duration_s: Seconds = 900.0
    duty_cycle: DutyCycle = 1.0
    spacing_m: Annotated[float, number("a voxel size in metres", 2e-4, 0.05)] = 2e-3
    cells_across: Annotated[float, number("cells of the heat across the metal; 0 splits no voxels", 0, 64)] = 4.0
    margin_m: Annotated[float, number("tissue kept around the implant in metres", 1e-3, 1)] = 0.05
    edges: Literal["surface", "insulated", "fixed"] = "insulated"
    surface_W_m2_K: Annotated[float, number("an exchange coefficient in W/m2/K", 0, 1e5)] = 8.0
    perfusion: Annotated[bool, switch("blood carries heat away; gel has none")] = True
    curve_points: Annotated[int, count("points of the heating curve", 2, 1000)] = 30
    baseline_degC: Annotated[float, number("a temperature in degC, for CEM43", 0, 60)] = 37.0


class SwitchedFieldTable(Table):
    """A switched gradient field that is on as well: a uniform sinusoid over the implant."""

    frequency_Hz: Annotated[float, number("a frequency in Hz", 1, 1e6)] = 1000.0
    dbdt_rms_T_s: Annotated[float, number("an rms dB/dt in T/s", 0, 1e6, above=True)]
    direction: Annotated[Literal["worst"] | tuple[float, float, float], BeforeValidator(_direction)] = "worst"
    spacing_m: Annotated[float | Literal["auto"], number("a voxel size in metres", 1e-5, 0.02, word="auto")] = "auto"
    duty_cycle: DutyCycle = 1.0


class PoseTable(Table):
    """Another pose of the implant in the same body; what it does not say is as in [implant]."""

    rotate_deg: Angles | None = None
    position_m: Point | None = None


class TestMethodTable(Table):
    """A named method of test: body, scale and heat where the scenario has none, and the distance to the side wall."""

    method: Literal["astm-f2182"]
    wall_m: Annotated[float, number("a length in metres", 0, 0.2, above=True)] = 0.02


METHODS: dict[str, dict[str, dict[str, Any]]] = {
    "astm-f2182": {
        "phantom": {"type": "gel-box", "spacing_m": 10e-3},
        "normalise": {"background_sar_W_kg": 1.0},
        "thermal": {"duration_s": 900.0, "perfusion": False},
    }
}
"""What the methods of test fill in. Source: ASTM F2182-19e2 as described in public literature; no bought copy was read.

Gel of 80 and 0.47 S/m in a box of 65 x 42 x 9 cm, the implant 2 cm from the wall, the local background SAR reported.
"""


Engine = Annotated[VieTable | FdtdTable, Field(discriminator="type"), one_of(VieTable, FdtdTable)]


class ImplantRfScenario(Table):
    """A scenario of kind ``implant-rf``."""

    scenario: Header
    phantom: Phantom
    coil: Coil
    exposure: ExposureTable
    drive: ImplantDriveTable = Field(default_factory=ImplantDriveTable)
    normalise: BackgroundTable
    implant: Implant
    metals: dict[ShortName, MetalTable] = Field(default_factory=dict)
    poses: dict[ShortName, PoseTable] = Field(default_factory=dict)
    surgery: SurgeryTable | None = None
    solver: Engine = Field(default_factory=VieTable)
    subdomain: SubdomainTable | None = None
    dosimetry: MetalDosimetryTable = Field(default_factory=MetalDosimetryTable)
    thermal: SiteThermalTable = Field(default_factory=SiteThermalTable)
    gradients: SwitchedFieldTable | None = None
    test: TestMethodTable | None = None

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, raw: Any) -> Any:
        """Tables that the method of test knows, where the scenario has none; single keys of the heat."""
        method = raw.get("test") if isinstance(raw, dict) else None
        if not isinstance(method, dict):
            return raw
        # A method that does not exist is told of by its own key, not by tables that are missing.
        filled = METHODS.get(str(method.get("method")), METHODS["astm-f2182"])
        heat = raw.get("thermal", {})
        out = {**{k: v for k, v in filled.items() if k != "thermal"}, **raw}
        return {**out, "thermal": {**filled["thermal"], **heat}} if isinstance(heat, dict) else out

    @model_validator(mode="after")
    def _possible(self) -> ImplantRfScenario:
        if self.test is not None and self.phantom.type != "gel-box":
            raise bad_value("a phantom of type 'gel-box', or none, with a method of test")
        if self.test is not None and self.implant.position_m[0] != 0:
            raise bad_value("position_m with x = 0: the distance to the side wall is wall_m of the method of test")
        if is_circuit(self.coil):
            raise bad_value("a coil of prescribed currents, a wave or a field; tuning with an implant is not known")
        if self.dosimetry.metal == "both" and self.subdomain is None and self.solver.type != "vie":
            raise bad_value("dosimetry.metal = 'both' with a table [subdomain], or with solver = 'vie'")
        if self.poses:
            self._one_body_for_all_poses()
        return self

    def _one_body_for_all_poses(self) -> None:
        if self.subdomain is None:
            raise bad_value("poses with a table [subdomain]: all of them are solved in the field of one body")
        if self.surgery is not None or self.gradients is not None or self.test is not None:
            raise bad_value("poses without surgery, gradients and a method of test, which know one pose")
