"""The time-stepping engine: Yee's scheme on rectilinear grids, knowing edges and faces but no bodies or coils.

A :class:`YeeProblem` says what exists on the lattice, an :class:`Engine` steps it::

    problem = YeeProblem(grid, materials, ports=[VoltagePort(...)], dft=Dft(frequencies_Hz, [DftRegion(...)], every=32))
    engine = Engine(problem, backend.get("auto"))
    engine.advance(1000)
    engine.records["port"].voltage, engine.phasors("region").E
"""

from emdose.solvers.yee_engine.engine import Engine, Phasors, Record, plan
from emdose.solvers.yee_engine.setup.cpml_profile import Cpml
from emdose.solvers.yee_engine.setup.imposed import ImposedEmf, ImposedVoltage
from emdose.solvers.yee_engine.setup.materials import (
    PEC,
    EdgeMaterials,
    materials_from_edges,
    materials_from_voxels,
    vacuum,
)
from emdose.solvers.yee_engine.setup.problem import (
    CurrentSource,
    Dft,
    DftRegion,
    FaceFactors,
    IncidentWave,
    Lumped,
    VoltagePort,
    YeeProblem,
)
from emdose.solvers.yee_engine.setup.signals import Gaussian, ModulatedGaussian, RampedSine, Sampled, SourceSignal
from emdose.solvers.yee_engine.setup.subcell_wires import SubcellWire
from emdose.solvers.yee_engine.setup.thin_wires import thin_wire

__all__ = [
    "PEC",
    "Cpml",
    "CurrentSource",
    "Dft",
    "DftRegion",
    "EdgeMaterials",
    "Engine",
    "FaceFactors",
    "Gaussian",
    "ImposedEmf",
    "ImposedVoltage",
    "IncidentWave",
    "Lumped",
    "ModulatedGaussian",
    "Phasors",
    "RampedSine",
    "Record",
    "Sampled",
    "SourceSignal",
    "SubcellWire",
    "VoltagePort",
    "YeeProblem",
    "materials_from_edges",
    "materials_from_voxels",
    "plan",
    "thin_wire",
    "vacuum",
]
