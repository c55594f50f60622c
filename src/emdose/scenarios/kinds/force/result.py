"""The result folder of a ``force`` run, written and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.io.disk.run_files import RESULT_FILE, new_result, opened_result, put_map, require_keys
from emdose.io.forces.load_files import load_bytes
from emdose.io.maps.labelled import AXES, Contents, LabelledArray
from emdose.mechanics.moments import MomentTensor, moment_tensor
from emdose.models.implants.implant import Implant
from emdose.models.implants.voxels import voxelise
from emdose.scenarios.shared.implants.implant_groups import read_implant_group, write_implant_group
from emdose.scenarios.shared.implants.tensor_files import tensor_arrays, tensor_of_arrays
from emdose.scenarios.shared.results.run import Run
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.mechanics.loads import LorentzLoad
    from emdose.solvers.results.power_tensor import PowerTensor

FORMAT, FORMAT_VERSION = "emdose force result", 1
KEYS = ("convergence", "force")
"""What summaries of this kind have beside what all have."""


@read_only
@dataclass(frozen=True, eq=False)
class ForceResult(Run):
    """Everything that a ``force`` run found.

    Parameters
    ----------
    folder : Path or None
        The folder.
    summary : dict
        summary.json: the keys of every kind, and "force" with "body", "field", "materials" and "exposures".
    implant : Implant
        The metal in its pose.
    tensor : PowerTensor
        Power matrices, from rest to the exposures; without loss densities.
    """

    implant: Implant
    tensor: PowerTensor

    @property
    def moments(self) -> MomentTensor:
        """The moment tensor of the metal."""
        return moment_tensor(self.tensor, self.tensor.matrix[0, :3, :3].real)

    def _contents(self) -> Contents:
        """The metal, on the voxels of the solver."""
        grid = self.tensor.grid
        make = partial(_metal, self.implant, grid)
        found = {"metal": LabelledArray(make, AXES, "", "share of metal")}
        points = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
        return Contents(found, points, dict.fromkeys(AXES, "m"), {}, grid)


def _metal(implant: Implant, grid: Any) -> np.ndarray:
    return np.asarray(voxelise(implant, grid=grid, check_walls=False).fraction)


def write_result(
    stage: Stage,
    implant: Implant,
    tensor: PowerTensor,
    loads: Mapping[str, LorentzLoad],
    provenance: Mapping[str, Any],
) -> None:
    """Write result.h5 and loads into a stage; they appear when the stage is committed.

    Parameters
    ----------
    stage : Stage
        Where to write.
    implant, tensor
        As in :class:`ForceResult`.
    loads : mapping of str to LorentzLoad
        On the surface, by exposure: a table and tractions each.
    provenance : mapping
        Goes as JSON into the group /provenance.
    """
    with new_result(stage, FORMAT, FORMAT_VERSION, provenance) as file:
        write_implant_group(file.create_group("implant"), implant)
        group = file.create_group("power_tensor")
        for name, values in tensor_arrays(tensor, loss=False).items():
            if values.dtype.kind == "U":
                group[name] = str(values)
            else:
                put_map(group, name, values, "see PowerTensor")
    for number, load in enumerate(loads.values(), 1):
        for ending in (".csv", ".vtp"):
            stage.path(f"load-{number}{ending}").write_bytes(load_bytes(load, ending, implant))


def read_result(folder: Path, summary: dict[str, Any]) -> ForceResult:
    """Read what a ``force`` run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished result of this kind, or its files are damaged.
    """
    require_keys(summary, KEYS, folder)
    path = folder / RESULT_FILE
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        group = file["power_tensor"]
        tensor = tensor_of_arrays({name: group[name][()] for name in group}, path)
        return ForceResult(folder, summary, implant=read_implant_group(file["implant"]), tensor=tensor)
