"""Numerical dosimetry for MRI safety, with stated uncertainty: solve an exposure, then read its fields.

Public names are loaded when they are first used, so that ``import emdose`` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from emdose import ept, eptlib_bridge
    from emdose.compliance import check
    from emdose.dosimetry.averaging import AveragingPlan, MassAverage, mass_average
    from emdose.dosimetry.power import tissue_sar
    from emdose.dosimetry.sar import SarMap, peak, point_sar, region_sar, whole_body_sar
    from emdose.dosimetry.thermal import TemperatureMap, cem43, temperature_map, thermal_dose
    from emdose.errors import (
        ConvergenceError,
        DeviceError,
        EmdoseError,
        EmdoseWarning,
        InputError,
        OutputError,
        ResourceError,
    )
    from emdose.io.b1 import read_b1
    from emdose.io.folders import read_result
    from emdose.io.meshes import read_implant, write_implant
    from emdose.io.phantoms import read_phantom, write_phantom
    from emdose.io.property_maps import read_property_map, write_property_map
    from emdose.io.pulseq import read_sequence
    from emdose.io.touchstone import read_touchstone, write_touchstone
    from emdose.io.wire_paths import read_gradient_coil
    from emdose.models import conductors, metals, phantoms, tissues, waveforms
    from emdose.models import implant_shapes as implants
    from emdose.models.circuit_coils import CircuitCoil
    from emdose.models.coil_builders import BirdcageCoil, CapacitorLoop, CapacitorLoopArray, Dipole
    from emdose.models.coils import Birdcage, Coil, Loop, LoopArray, PlaneWave
    from emdose.models.exposure import Exposure
    from emdose.models.gradient_coils import GradientCoil, GradientSet
    from emdose.models.grid import Grid
    from emdose.models.implants import Implant
    from emdose.models.metals import Metal
    from emdose.models.phantoms import Phantom
    from emdose.models.rectilinear import RectilinearGrid
    from emdose.models.tissues import Tissue, TissueTable
    from emdose.report import write_report
    from emdose.scenarios.run import run as run_scenario
    from emdose.solvers.bioheat import Bioheat, HeatCourse, HeatResult
    from emdose.solvers.eddy import EddyCurrent
    from emdose.solvers.fdtd import Fdtd
    from emdose.solvers.fdtd_cosimulation import CoSimulation
    from emdose.solvers.fields import Fields
    from emdose.solvers.network import Network
    from emdose.solvers.power_tensor import PowerTensor
    from emdose.solvers.vie import Vie

_WHERE = {
    "emdose.compliance": ("check",),
    "emdose.dosimetry.averaging": ("AveragingPlan", "MassAverage", "mass_average"),
    "emdose.dosimetry.power": ("tissue_sar",),
    "emdose.dosimetry.sar": ("SarMap", "peak", "point_sar", "region_sar", "whole_body_sar"),
    "emdose.dosimetry.thermal": ("TemperatureMap", "cem43", "temperature_map", "thermal_dose"),
    "emdose.errors": (
        "ConvergenceError",
        "DeviceError",
        "EmdoseError",
        "EmdoseWarning",
        "InputError",
        "OutputError",
        "ResourceError",
    ),
    "emdose.io.b1": ("read_b1",),
    "emdose.io.folders": ("read_result",),
    "emdose.io.meshes": ("read_implant", "write_implant"),
    "emdose.io.phantoms": ("read_phantom", "write_phantom"),
    "emdose.io.property_maps": ("read_property_map", "write_property_map"),
    "emdose.io.pulseq": ("read_sequence",),
    "emdose.io.wire_paths": ("read_gradient_coil",),
    "emdose.io.touchstone": ("read_touchstone", "write_touchstone"),
    "emdose.models.circuit_coils": ("CircuitCoil",),
    "emdose.models.coil_builders": ("BirdcageCoil", "CapacitorLoop", "CapacitorLoopArray", "Dipole"),
    "emdose.models.coils": ("Birdcage", "Coil", "Loop", "LoopArray", "PlaneWave"),
    "emdose.models.exposure": ("Exposure",),
    "emdose.models.gradient_coils": ("GradientCoil", "GradientSet"),
    "emdose.models.grid": ("Grid",),
    "emdose.models.implants": ("Implant",),
    "emdose.models.metals": ("Metal",),
    "emdose.models.phantoms": ("Phantom",),
    "emdose.models.rectilinear": ("RectilinearGrid",),
    "emdose.models.tissues": ("Tissue", "TissueTable"),
    "emdose.report": ("write_report",),
    "emdose.solvers.fdtd": ("Fdtd",),
    "emdose.solvers.fdtd_cosimulation": ("CoSimulation",),
    "emdose.solvers.bioheat": ("Bioheat", "HeatCourse", "HeatResult"),
    "emdose.solvers.eddy": ("EddyCurrent",),
    "emdose.solvers.fields": ("Fields",),
    "emdose.solvers.network": ("Network",),
    "emdose.solvers.power_tensor": ("PowerTensor",),
    "emdose.solvers.vie": ("Vie",),
}
_MODULES = {
    "conductors": "emdose.models.conductors",
    "ept": "emdose.ept",
    "eptlib_bridge": "emdose.eptlib_bridge",
    "implants": "emdose.models.implant_shapes",
    "metals": "emdose.models.metals",
    "phantoms": "emdose.models.phantoms",
    "tissues": "emdose.models.tissues",
    "waveforms": "emdose.models.waveforms",
}
_RENAMED = {"run_scenario": ("emdose.scenarios", "run")}
_HOME = {name: (module, name) for module, names in _WHERE.items() for name in names} | _RENAMED

__all__ = [
    "AveragingPlan",
    "Bioheat",
    "Birdcage",
    "BirdcageCoil",
    "CapacitorLoop",
    "CapacitorLoopArray",
    "CircuitCoil",
    "CoSimulation",
    "Coil",
    "ConvergenceError",
    "DeviceError",
    "Dipole",
    "EddyCurrent",
    "EmdoseError",
    "EmdoseWarning",
    "Exposure",
    "Fdtd",
    "Fields",
    "GradientCoil",
    "GradientSet",
    "Grid",
    "HeatCourse",
    "HeatResult",
    "Implant",
    "InputError",
    "Loop",
    "LoopArray",
    "MassAverage",
    "Metal",
    "Network",
    "OutputError",
    "Phantom",
    "PlaneWave",
    "PowerTensor",
    "RectilinearGrid",
    "ResourceError",
    "SarMap",
    "TemperatureMap",
    "Tissue",
    "TissueTable",
    "Vie",
    "cem43",
    "check",
    "conductors",
    "ept",
    "eptlib_bridge",
    "implants",
    "mass_average",
    "metals",
    "peak",
    "phantoms",
    "point_sar",
    "read_b1",
    "read_gradient_coil",
    "read_implant",
    "read_phantom",
    "read_property_map",
    "read_result",
    "read_sequence",
    "read_touchstone",
    "region_sar",
    "run_scenario",
    "temperature_map",
    "thermal_dose",
    "tissue_sar",
    "tissues",
    "waveforms",
    "whole_body_sar",
    "write_implant",
    "write_phantom",
    "write_property_map",
    "write_report",
    "write_touchstone",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = import_module(_MODULES[name])
    elif name in _HOME:
        module, attribute = _HOME[name]
        value = getattr(import_module(module), attribute)
    else:
        raise AttributeError(f"module 'emdose' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
