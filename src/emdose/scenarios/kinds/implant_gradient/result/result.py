"""The result folder of an ``implant-gradient`` run, written and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.io.bodies import hdf5, nifti
from emdose.io.disk import atomic
from emdose.io.disk.run_files import RESULT_FILE, new_result, opened_result, put_map, require_keys
from emdose.io.maps import vtk
from emdose.io.maps.labelled import AXES, Contents, LabelledArray
from emdose.models.grids.grid import Grid
from emdose.models.implants.implant import Implant
from emdose.models.implants.voxels import voxelise
from emdose.scenarios.kinds.implant_gradient.worst.bore import BoreMap
from emdose.scenarios.shared.implants.implant_groups import read_implant_group, write_implant_group
from emdose.scenarios.shared.implants.tensor_files import tensor_arrays, tensor_of_arrays
from emdose.scenarios.shared.results import exports
from emdose.scenarios.shared.results.run import Run
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.power_tensor import PowerTensor

FORMAT, FORMAT_VERSION = "emdose implant result", 1
KEYS = ("checks", "convergence", "power_balance", "implant")
"""What summaries of this kind have beside what all have."""
VOXELS_FILE = "fields.vtu"
TEMPERATURE_FILE = "temperature.vti"


@read_only(units={"loss": "W/m^3", "rise": "K"})
@dataclass(frozen=True, eq=False)
class ExposureMaps:
    """What one exposure does.

    Parameters
    ----------
    loss : (m,) float ndarray
        Mean power density of every metal voxel [W/m^3].
    rise : (nx, ny, nz) float32 ndarray
        Temperature rise at the end [K].
    times_s, peak_rise_K : (t,) ndarray
        Largest rise over time: the heating curve.
    curves : mapping of str to (t,) ndarray
        Further curves of the rise [K] by name, such as "worst orientation".
    bore : BoreMap or None
        Power with the implant elsewhere in the bore.
    """

    loss: np.ndarray
    rise: np.ndarray
    times_s: np.ndarray
    peak_rise_K: np.ndarray
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)
    bore: BoreMap | None = None


@read_only
@dataclass(frozen=True, eq=False)
class ImplantResult(Run):
    """Everything that an ``implant-gradient`` run found.

    Parameters
    ----------
    folder : Path or None
        The folder.
    summary : dict
        summary.json: the keys of every kind, and "implant" with "body", "exposures", "orientations" and "conditions".
    implant : Implant
        The metal in its pose.
    phantom : Phantom
        What surrounds it.
    tensor : PowerTensor
        Power matrices; its loss is zero when the scenario did not keep the maps.
    fraction : (m,) float ndarray
        Part of every voxel of the tensor that is metal.
    heat_grid : Grid
        Grid of the temperature rises.
    exposures : dict of str to ExposureMaps
        By the names of the scenario.
    """

    implant: Implant
    phantom: Phantom
    tensor: PowerTensor
    fraction: np.ndarray
    heat_grid: Grid
    exposures: dict[str, ExposureMaps]

    def _contents(self) -> Contents:
        """Rises of temperature by exposure, tissue, and the metal, on the voxels of the heat."""
        return contents(self.phantom, self.heat_grid, self.exposures, self.metal_on_heat_grid)

    def _affine_mm(self) -> np.ndarray | None:
        return nifti.grid_affine_mm(self.heat_grid, self.phantom.file_from_grid)

    def metal_on_heat_grid(self) -> np.ndarray:
        """Part of every voxel of the temperature rises that is metal, (nx, ny, nz)."""
        return np.asarray(voxelise(self.implant, grid=self.heat_grid, check_walls=False).fraction)


def contents(
    phantom: Phantom, grid: Grid, exposures: Mapping[str, ExposureMaps], metal: Callable[[], np.ndarray] | None = None
) -> Contents:
    """Rises of temperature by exposure, and tissue where it lies on the same voxels.

    Parameters
    ----------
    phantom, grid, exposures
        As of :class:`ImplantResult`, ``grid`` being that of the heat.
    metal : callable, optional
        Gives the part of every voxel that is metal.
    """
    found = {
        f"rise {name}": LabelledArray(partial(getattr, one, "rise"), AXES, "K", f"rise of temperature, {name}")
        for name, one in exposures.items()
    }
    if metal is not None:
        found["metal"] = LabelledArray(metal, AXES, "", "share of metal", stored=False)
    if phantom.grid == grid:
        names = tuple(t.name for t in phantom.tissues)
        found["label"] = LabelledArray(lambda: phantom.labels, AXES, "", "tissue", "label", names=names)
    points = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
    return Contents(found, points, dict.fromkeys(AXES, "m"), {}, grid)


def write_result(
    stage: atomic.Stage,
    *,
    implant: Implant,
    phantom: Phantom,
    tensor: PowerTensor,
    fraction: np.ndarray,
    heat_grid: Grid,
    exposures: Mapping[str, ExposureMaps],
    provenance: Mapping[str, Any],
    keep_loss: bool,
) -> None:
    """Write result.h5 into a stage; it appears when the stage is committed.

    Parameters
    ----------
    stage : Stage
        Where to write, see :func:`emdose.io.disk.atomic.staging`.
    implant, phantom, tensor, fraction, heat_grid, exposures
        As in :class:`ImplantResult`.
    provenance : mapping
        Goes as JSON into the group /provenance.
    keep_loss : bool
        Whether the power densities of all pairs of directions are stored as well.
    """
    with new_result(stage, FORMAT, FORMAT_VERSION, provenance) as file:
        write_implant_group(file.create_group("implant"), implant)
        hdf5.write_phantom_group(file.create_group("phantom"), phantom)
        group = file.create_group("power_tensor")
        for name, values in tensor_arrays(tensor, loss=keep_loss).items():
            if values.dtype.kind == "U":
                group[name] = str(values)
            else:
                put_map(group, name, values, "see PowerTensor")
        put_map(group, "fraction", np.asarray(fraction, np.float32), "1")
        group = file.create_group("exposures", track_order=True)
        group.attrs["spacing_m"], group.attrs["origin_m"] = heat_grid.spacing_m, heat_grid.origin_m
        for number, (name, maps) in enumerate(exposures.items()):
            # Names may hold "/", which HDF5 would take as a path.
            part = group.create_group(f"{number:03d}")
            part.attrs["name"] = name
            put_map(part, "loss", np.asarray(maps.loss, np.float32), "W/m^3")
            put_map(part, "rise", np.asarray(maps.rise, np.float32), "K")
            put_map(part, "times_s", np.asarray(maps.times_s, float), "s")
            put_map(part, "peak_rise_K", np.asarray(maps.peak_rise_K, float), "K")
            if maps.bore is not None:
                bore = part.create_group("bore")
                bore.attrs["step_m"] = maps.bore.step_m
                put_map(bore, "places_m", maps.bore.places_m, "m")
                put_map(bore, "worst", maps.bore.worst, "W")
                put_map(bore, "pose", maps.bore.pose, "W")
            for n, (title, curve) in enumerate(maps.curves.items()):
                put_map(part, f"curve_{n}", np.asarray(curve, float), "K")
                part[f"curve_{n}"].attrs["title"] = title


def write_paraview(
    stage: atomic.Stage,
    phantom: Phantom,
    tensor: PowerTensor,
    fraction: np.ndarray,
    heat_grid: Grid,
    exposures: Mapping[str, ExposureMaps],
) -> None:
    """The metal voxels with their loss (fields.vtu) and the temperature rises (temperature.vti) for ParaView."""
    losses = {f"loss {name} [W/m3]": e.loss.astype(np.float32) for name, e in exposures.items()}
    losses["fraction of metal"] = np.asarray(fraction, np.float32)
    stage.path(VOXELS_FILE).write_bytes(vtk.vtu_bytes(tensor.grid, tensor.cells, losses))
    stage.path(TEMPERATURE_FILE).write_bytes(exports.vti(contents(phantom, heat_grid, exposures)))


def read_result(folder: Path, summary: dict[str, Any]) -> ImplantResult:
    """Read what an ``implant-gradient`` run left in its folder.

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
        exposures = {}
        for key in sorted(file["exposures"]):
            part = file["exposures"][key]
            curves = {str(part[n].attrs["title"]): part[n][()] for n in sorted(part) if n.startswith("curve_")}
            numbers = {n: part[n][()] for n in ("loss", "rise", "times_s", "peak_rise_K")}
            bore = _read_bore(part["bore"]) if "bore" in part else None
            exposures[str(part.attrs["name"])] = ExposureMaps(**numbers, curves=curves, bore=bore)
        shape = next(iter(exposures.values())).rise.shape
        about = file["exposures"].attrs
        return ImplantResult(
            folder=folder,
            summary=summary,
            implant=read_implant_group(file["implant"]),
            phantom=hdf5.read_phantom_group(file["phantom"], path),
            tensor=tensor,
            fraction=group["fraction"][()],
            heat_grid=Grid(shape, tuple(about["spacing_m"]), tuple(about["origin_m"])),
            exposures=exposures,
        )


def _read_bore(group: Any) -> BoreMap:
    maps = {name: group[name][()] for name in ("places_m", "worst", "pose")}
    return BoreMap(**maps, step_m=float(group.attrs["step_m"]))
