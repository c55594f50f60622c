"""The result folder of a ``motion`` run, written and read back."""

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
    from emdose.scenarios.kinds.motion.evaluation import MotionOutcome

FORMAT, FORMAT_VERSION = "emdose motion result", 1
KEYS = ("convergence", "motion")
"""What summaries of this kind have beside what all have."""


@read_only(units={"peaks": "V/m"})
@dataclass(frozen=True, eq=False)
class MotionResult(Run):
    """Everything that a ``motion`` run found.

    Parameters
    ----------
    folder : Path or None
        The folder.
    summary : dict
        summary.json: the keys of every kind, and "motion" with the time courses.
    phantom : Phantom
        The body.
    peaks : mapping of str to (nx, ny, nz) ndarray
        Largest magnitude of E over time of every trajectory, NaN where nothing conducts or moves [V/m].
    """

    phantom: Phantom
    peaks: Mapping[str, np.ndarray]

    @property
    def courses(self) -> dict[str, dict[str, np.ndarray]]:
        """Time courses by trajectory: times, |B|, its change within 3 s, |dB/dt|, and E of the worst tissue."""
        return {
            name: {key: np.asarray(values, float) for key, values in one["course"].items() if key != "indices"}
            for name, one in self.summary["motion"]["trajectories"].items()
        }

    def _contents(self) -> Contents:
        """Peaks, on the voxels of the body."""
        return contents(self.phantom, self.peaks)


def contents(phantom: Phantom, peaks: Mapping[str, np.ndarray]) -> Contents:
    """The maps of a run by name."""
    names = tuple(t.name for t in phantom.tissues)
    found = {
        f"E_peak_{name}": LabelledArray(_given(values), AXES, "V/m", f"largest |E| over time, {name}")
        for name, values in peaks.items()
    }
    found["label"] = LabelledArray(lambda: phantom.labels, AXES, "", "tissue", "label", names=names)
    grid = phantom.grid
    points: dict[str, Any] = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
    return Contents(found, points, dict.fromkeys(AXES, "m"), {}, grid)


def _given(values: np.ndarray) -> Any:
    return lambda: values


def write_result(stage: Stage, outcome: MotionOutcome, provenance: Mapping[str, Any]) -> None:
    """Write result.h5 and fields.vti into a stage; they appear when the stage is committed."""
    with new_result(stage, FORMAT, FORMAT_VERSION, provenance) as file:
        hdf5.write_phantom_group(file.create_group("phantom"), outcome.phantom)
        group = file.create_group("peaks")
        for number, (name, values) in enumerate(outcome.maps.items()):
            put_map(group, f"{number}", single(values), "V/m")
            group[f"{number}"].attrs["name"] = name
    stage.path(FIELDS_FILE).write_bytes(exports.vti(contents(outcome.phantom, outcome.maps)))


def read_result(folder: Path, summary: dict[str, Any]) -> MotionResult:
    """Read what a ``motion`` run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished result of this kind, or its files are damaged.
    """
    require_keys(summary, KEYS, folder)
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        phantom = hdf5.read_phantom_group(file["phantom"], folder / RESULT_FILE)
        group = file["peaks"]
        peaks = {str(group[str(n)].attrs["name"]): group[str(n)][()] for n in range(len(group))}
        return MotionResult(folder, summary, phantom, peaks)
