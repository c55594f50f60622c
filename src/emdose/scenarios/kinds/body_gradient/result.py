"""The result folder of a ``body-gradient`` run, written and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.io.bodies import hdf5
from emdose.io.disk.run_files import FIELDS_FILE, RESULT_FILE, new_result, opened_result, put_map, require_keys, single
from emdose.io.maps.labelled import AXES, Contents, LabelledArray
from emdose.scenarios.shared.results import exports
from emdose.scenarios.shared.results.run import Run
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.body_gradient.outcome import GradientOutcome

FORMAT, FORMAT_VERSION = "emdose body gradient result", 1
KEYS = ("convergence", "body_gradient")
"""What summaries of this kind have beside what all have."""


@read_only(units={"peaks": "V/m", "fields": "V/m per unit of drive"})
@dataclass(frozen=True, eq=False)
class BodyGradientResult(Run):
    """Everything that a ``body-gradient`` run found.

    Parameters
    ----------
    folder : Path or None
        The folder.
    summary : dict
        summary.json: the keys of every kind, and "body_gradient".
    phantom : Phantom
        The body.
    peaks : mapping of str to (nx, ny, nz) ndarray
        Largest magnitude of E over time of every exposure, NaN where nothing conducts [V/m].
    fields : mapping of str to (3, nx, ny, nz) ndarray
        E per unit of drive of every source, by its name, NaN where nothing conducts.
    metal : (nx, ny, nz) bool ndarray or None
        Voxels of the implant.
    """

    phantom: Phantom
    peaks: Mapping[str, np.ndarray]
    fields: Mapping[str, np.ndarray]
    metal: np.ndarray | None = None

    def _contents(self) -> Contents:
        """Peaks and fields, on the voxels of the body."""
        return contents(self.phantom, self.peaks, self.fields)


def contents(phantom: Phantom, peaks: Mapping[str, np.ndarray], fields: Mapping[str, np.ndarray]) -> Contents:
    """The maps of a run by name."""
    names = tuple(t.name for t in phantom.tissues)
    found = {
        f"E_peak_{name}": LabelledArray(_given(values), AXES, "V/m", f"largest |E| over time, {name}")
        for name, values in peaks.items()
    }
    found |= {
        f"E_{name}": LabelledArray(_given(values), ("component", *AXES), "V/m per unit", f"E of {name}")
        for name, values in fields.items()
    }
    found["label"] = LabelledArray(lambda: phantom.labels, AXES, "", "tissue", "label", names=names)
    grid = phantom.grid
    points: dict[str, Any] = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
    if fields:
        points["component"] = list(AXES)
    return Contents(found, points, dict.fromkeys(AXES, "m"), {}, grid)


def _given(values: np.ndarray) -> Any:
    return lambda: values


def write_result(stage: Stage, outcome: GradientOutcome, provenance: Mapping[str, Any]) -> None:
    """Write result.h5 and fields.vti into a stage; they appear when the stage is committed."""
    with new_result(stage, FORMAT, FORMAT_VERSION, provenance) as file:
        hdf5.write_phantom_group(file.create_group("phantom"), outcome.phantom)
        for group_name, maps, unit in (("peaks", outcome.maps, "V/m"), ("fields", outcome.fields, "V/m per unit")):
            group = file.create_group(group_name)
            for number, (name, values) in enumerate(maps.items()):
                put_map(group, f"{number}", single(values), unit)
                group[f"{number}"].attrs["name"] = name
        if outcome.metal is not None:
            put_map(file, "metal", outcome.metal.astype(np.uint8), "")
    made = contents(outcome.phantom, outcome.maps, {})
    stage.path(FIELDS_FILE).write_bytes(exports.vti(made))


def read_result(folder: Path, summary: dict[str, Any]) -> BodyGradientResult:
    """Read what a ``body-gradient`` run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished result of this kind, or its files are damaged.
    """
    require_keys(summary, KEYS, folder)
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        phantom = hdf5.read_phantom_group(file["phantom"], folder / RESULT_FILE)
        maps = {
            group: {str(file[group][str(n)].attrs["name"]): file[group][str(n)][()] for n in range(len(file[group]))}
            for group in ("peaks", "fields")
        }
        metal = file["metal"][()].astype(bool) if "metal" in file else None
        return BodyGradientResult(folder, summary, phantom, maps["peaks"], maps["fields"], metal)
