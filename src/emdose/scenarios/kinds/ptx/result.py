"""The result folder of a ``ptx`` run, written and read back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.transmission.global_forms import GlobalMatrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.io import read_global_matrices, read_q_matrices, read_vops, write_vops
from emdose.io.disk.run_files import (
    FIELDS_FILE,
    RESULT_FILE,
    new_result,
    opened_result,
    put_map,
    require_keys,
    single,
)
from emdose.io.maps.labelled import AXES, Contents, LabelledArray
from emdose.io.transmission.formats import put
from emdose.io.transmission.records import record_of
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.driving.field_runs import read_fields, write_about_fields
from emdose.scenarios.shared.results import exports
from emdose.scenarios.shared.results.run import Run
from emdose.scenarios.shared.sar_files import read_sar, write_sar
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.dosimetry.sar import SarMap
    from emdose.io.disk.atomic import Stage
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.ptx.evaluation import PtxOutcome
    from emdose.solvers.results.fields import Fields

FORMAT, FORMAT_VERSION = "emdose ptx result", 1
KEYS = ("checks", "convergence", "power_balance", "ptx")
"""What summaries of this kind have beside what all have."""
CUBES, POINTS = "matrices/cubes_10g", "matrices/virtual_observation_points"
VOPS_FILES = ("vops.npz", "vops.mat")
DRIVES_FILE = "drives.toml"


@read_only(units={"b1plus": "T per {drive_unit}", "averages": "W/kg"})
@dataclass(frozen=True, eq=False)
class PtxResult(Run):
    """Everything that a ``ptx`` run found.

    Parameters
    ----------
    folder : Path or None
        The folder.
    summary : dict
        summary.json: the keys of every kind, and "ptx".
    phantom : Phantom
        The body.
    b1plus : (port, nx, ny, nz) complex64 ndarray
        B1+ of every channel at the voxel centres [T per drive unit].
    target : (nx, ny, nz) bool ndarray
        Where B1+ counts.
    drives : mapping of str to (port,) complex128 ndarray
        Drives by name [drive units].
    averages : mapping of str to (nx, ny, nz) float32 ndarray
        10 g SAR of each drive [W/kg].
    drive_unit : str
        What one unit of a drive is.
    fields : Fields
        E and B of the drive that stands beside the limits.
    sar : SarMap
        Its point SAR.
    """

    phantom: Phantom
    b1plus: np.ndarray
    target: np.ndarray
    drives: Mapping[str, np.ndarray]
    averages: Mapping[str, np.ndarray]
    drive_unit: str
    fields: Fields
    sar: SarMap

    def q_matrices(self) -> QMatrices:
        """Matrices of the 10 g cubes, from its folder."""
        return read_q_matrices(self._home() / RESULT_FILE, group=CUBES)

    def vops(self) -> VirtualObservationPoints:
        """Virtual observation points with their certificate, from its folder."""
        return read_vops(self._home() / RESULT_FILE, group=POINTS)

    def global_matrices(self) -> GlobalMatrices:
        """Matrices of body, heads and exposed part, and powers, from its folder."""
        return read_global_matrices(self._home() / RESULT_FILE, group=POINTS)

    def _contents(self) -> Contents:
        """10 g SAR and B1+ of every drive, on the voxels of the body."""
        return contents(self.phantom, self.b1plus, self.drives, self.averages)


def contents(
    phantom: Phantom, b1plus: np.ndarray, drives: Mapping[str, np.ndarray], averages: Mapping[str, np.ndarray]
) -> Contents:
    """The maps of a run by name."""
    names = tuple(t.name for t in phantom.tissues)
    found: dict[str, LabelledArray] = {}
    for name, v in drives.items():
        found[f"SAR_10g_{name}"] = LabelledArray(
            partial(averages.__getitem__, name), AXES, "W/kg", f"SAR averaged over 10 g, {name}"
        )
        found[f"abs_B1plus_{name}"] = LabelledArray(
            partial(_b1, b1plus, v), AXES, "uT", f"magnitude of B1+, {name}", inside=None
        )
    found["label"] = LabelledArray(lambda: phantom.labels, AXES, "", "tissue", "label", names=names)
    grid = phantom.grid
    points: dict[str, Any] = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
    return Contents(found, points, dict.fromkeys(AXES, "m"), {"phasors": "peak, exp(+j w t)"}, grid)


def _b1(b1plus: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(1e6 * np.abs(np.tensordot(v, b1plus, 1)))


def drives_text(drives: Mapping[str, np.ndarray], unit: str) -> str:
    """Drives as tables of a scenario, amplitudes as they are."""
    tables = {
        name: {"amplitudes": np.abs(v).tolist(), "phases_deg": np.degrees(np.angle(v)).tolist(), "scaled": False}
        for name, v in drives.items()
    }
    renamed = {f"held-{name}": one for name, one in tables.items()}
    head = f"# Drives of a run: peak amplitudes in {unit} and phases of exp(+j w t), to be put into a scenario.\n\n"
    return head + toml.dump({"drives": renamed})


def write_result(stage: Stage, outcome: PtxOutcome, summary: Mapping[str, Any]) -> None:
    """Write all files into a stage; they appear when the stage is committed."""
    array, fields = outcome.array, outcome.array.fields
    b1plus = single(fields.b1plus())
    averages = {name: single(values) for name, values in outcome.averages.items()}
    with new_result(stage, FORMAT, FORMAT_VERSION, summary["provenance"]) as file:
        write_sar(file, outcome.body, outcome.sar)
        file.create_group("coil").attrs["name"] = outcome.coil
        _write_fields(file.create_group("fields"), outcome.driven)
        group = file.create_group("array")
        group.attrs["ports"], group.attrs["drive_unit"] = list(fields.ports), fields.drive_unit
        put_map(group, "b1plus", b1plus, f"T per {fields.drive_unit}, peak phasor")
        put_map(group, "target", outcome.mask.astype(np.uint8), "1 where B1+ counts")
        for n, (name, v) in enumerate(outcome.drives.items()):
            one = file.create_group(f"drives/{n}")
            one.attrs["name"] = name
            one["weights"] = np.asarray(v, complex)
            one["weights"].attrs["unit"] = f"{fields.drive_unit}, peak"
            put_map(one, "sar_10g", averages[name], "W/kg")
        put(file.create_group(CUBES), record_of(array.cubes, array.parts))
        put(file.create_group(POINTS), record_of(array.points, array.parts))
    with tempfile.TemporaryDirectory() as place:  # the writer knows a format by its ending, which a stage hides
        for name in VOPS_FILES:
            made = write_vops(array.points, Path(place) / name, global_matrices=array.parts)
            stage.path(name).write_bytes(made.read_bytes())
    stage.path(DRIVES_FILE).write_text(drives_text(outcome.drives, fields.drive_unit), encoding="utf-8")
    stage.path(FIELDS_FILE).write_bytes(exports.vti(contents(outcome.body, b1plus, outcome.drives, averages)))


def read_result(folder: Path, summary: dict[str, Any]) -> PtxResult:
    """Read what a ``ptx`` run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished result of this kind, or its files are damaged.
    """
    require_keys(summary, KEYS, folder)
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        phantom, sar = read_sar(file, folder / RESULT_FILE)
        rows = [file["drives"][str(n)] for n in range(len(file["drives"]))]
        return PtxResult(
            folder,
            summary,
            phantom,
            file["array/b1plus"][()],
            file["array/target"][()].astype(bool),
            {str(g.attrs["name"]): g["weights"][()] for g in rows},
            {str(g.attrs["name"]): g["sar_10g"][()] for g in rows},
            str(file["array"].attrs["drive_unit"]),
            read_fields(file["fields"], phantom),
            sar,
        )


def _write_fields(group: Any, fields: Fields) -> None:
    """E and B of the drive, so that limits can be checked again."""
    write_about_fields(group, fields)
    for name, unit in (("E", "V/m"), ("B", "T")):
        put_map(group, name, np.asarray(getattr(fields, name)), f"{unit}, peak phasor, Yee positions")
