"""Numerical dosimetry for MRI safety, with stated uncertainty: solve an exposure, then read its fields.

Public names are loaded when they are first used, so that ``import emdose`` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emdose.version import __version__ as __version__

if TYPE_CHECKING:
    from emdose import ept, eptlib_bridge
    from emdose.circuits.network import Network
    from emdose.compliance import check
    from emdose.dosimetry.averaging.average import mass_average
    from emdose.dosimetry.averaging.cubes import MassAverage
    from emdose.dosimetry.averaging.cubic import AveragingPlan
    from emdose.dosimetry.power import tissue_sar
    from emdose.dosimetry.sar import SarMap, peak, point_sar, region_sar, whole_body_sar
    from emdose.dosimetry.temperature import TemperatureMap, cem43, temperature_map, thermal_dose
    from emdose.errors import (
        ConvergenceError,
        DeviceError,
        EmdoseError,
        EmdoseWarning,
        InputError,
        OutputError,
        ResourceError,
    )
    from emdose.io.bodies.phantoms import read_phantom, write_phantom
    from emdose.io.gradients.pulseq import read_sequence
    from emdose.io.gradients.wire_paths import read_gradient_coil
    from emdose.io.maps.b1 import read_b1
    from emdose.io.maps.property_maps import read_property_map, write_property_map
    from emdose.io.meshes import read_implant, write_implant
    from emdose.io.touchstone import read_touchstone, write_touchstone
    from emdose.models import bodies as phantoms
    from emdose.models import gradients as waveforms
    from emdose.models.bodies import Phantom, tissues
    from emdose.models.bodies.tissues import Tissue, TissueTable
    from emdose.models.coils import conductors
    from emdose.models.coils.builders import BirdcageCoil, CapacitorLoop, CapacitorLoopArray, Dipole
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.ideal import Birdcage, Coil, Loop, LoopArray, PlaneWave
    from emdose.models.exposure import Exposure
    from emdose.models.gradients.coils import GradientCoil, GradientSet
    from emdose.models.grids.grid import Grid
    from emdose.models.grids.rectilinear import RectilinearGrid
    from emdose.models.implants import metals
    from emdose.models.implants import shapes as implants
    from emdose.models.implants.implant import Implant
    from emdose.models.implants.metals import Metal
    from emdose.report import write_report
    from emdose.scenarios.results import read_result
    from emdose.scenarios.run import run as run_scenario
    from emdose.solvers.eddy.solver import EddyCurrent
    from emdose.solvers.fdtd.cosimulation import CoSimulation
    from emdose.solvers.fdtd.solver import Fdtd
    from emdose.solvers.heat.solver import Bioheat, HeatCourse, HeatResult
    from emdose.solvers.results.fields import Fields
    from emdose.solvers.results.power_tensor import PowerTensor
    from emdose.solvers.vie.solver import Vie

_WHERE = {
    "emdose.compliance": ("check",),
    "emdose.dosimetry.averaging.average": ("mass_average",),
    "emdose.dosimetry.averaging.cubes": ("MassAverage",),
    "emdose.dosimetry.averaging.cubic": ("AveragingPlan",),
    "emdose.dosimetry.power": ("tissue_sar",),
    "emdose.dosimetry.sar": ("SarMap", "peak", "point_sar", "region_sar", "whole_body_sar"),
    "emdose.dosimetry.temperature": ("TemperatureMap", "cem43", "temperature_map", "thermal_dose"),
    "emdose.errors": (
        "ConvergenceError",
        "DeviceError",
        "EmdoseError",
        "EmdoseWarning",
        "InputError",
        "OutputError",
        "ResourceError",
    ),
    "emdose.io.maps.b1": ("read_b1",),
    "emdose.scenarios.results": ("read_result",),
    "emdose.io.meshes": ("read_implant", "write_implant"),
    "emdose.io.bodies.phantoms": ("read_phantom", "write_phantom"),
    "emdose.io.maps.property_maps": ("read_property_map", "write_property_map"),
    "emdose.io.gradients.pulseq": ("read_sequence",),
    "emdose.io.gradients.wire_paths": ("read_gradient_coil",),
    "emdose.io.touchstone": ("read_touchstone", "write_touchstone"),
    "emdose.models.coils.circuit": ("CircuitCoil",),
    "emdose.models.coils.builders": ("BirdcageCoil", "CapacitorLoop", "CapacitorLoopArray", "Dipole"),
    "emdose.models.coils.ideal": ("Birdcage", "Coil", "Loop", "LoopArray", "PlaneWave"),
    "emdose.models.exposure": ("Exposure",),
    "emdose.models.gradients.coils": ("GradientCoil", "GradientSet"),
    "emdose.models.grids.grid": ("Grid",),
    "emdose.models.implants.implant": ("Implant",),
    "emdose.models.implants.metals": ("Metal",),
    "emdose.models.bodies": ("Phantom",),
    "emdose.models.grids.rectilinear": ("RectilinearGrid",),
    "emdose.models.bodies.tissues": ("Tissue", "TissueTable"),
    "emdose.report": ("write_report",),
    "emdose.solvers.fdtd.solver": ("Fdtd",),
    "emdose.solvers.fdtd.cosimulation": ("CoSimulation",),
    "emdose.solvers.heat.solver": ("Bioheat", "HeatCourse", "HeatResult"),
    "emdose.solvers.eddy.solver": ("EddyCurrent",),
    "emdose.solvers.results.fields": ("Fields",),
    "emdose.circuits.network": ("Network",),
    "emdose.solvers.results.power_tensor": ("PowerTensor",),
    "emdose.solvers.vie.solver": ("Vie",),
}
_MODULES = {
    "conductors": "emdose.models.coils.conductors",
    "ept": "emdose.ept",
    "eptlib_bridge": "emdose.eptlib_bridge",
    "implants": "emdose.models.implants.shapes",
    "metals": "emdose.models.implants.metals",
    "phantoms": "emdose.models.bodies",
    "tissues": "emdose.models.bodies.tissues",
    "waveforms": "emdose.models.gradients",
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
