"""The result folder of an EPT run: maps, truth and data, written and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.ept import B1Map, PropertyMap
from emdose.io.bodies import hdf5
from emdose.io.disk import atomic
from emdose.io.disk.run_files import (
    FIELDS_FILE,
    RESULT_FILE,
    file_stems,
    new_result,
    opened_result,
    put_map,
    require_keys,
)
from emdose.io.maps import labelled, property_maps
from emdose.io.maps.labelled import AXES, Contents, LabelledArray
from emdose.models.grids.grid import Grid
from emdose.scenarios.shared.results import exports
from emdose.scenarios.shared.results.run import Run
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

FORMAT, FORMAT_VERSION = "emdose ept result", 1
KEYS = ("checks", "convergence", "power_balance", "ept")
"""What summaries of this kind have beside what all have."""
ARRAYS = ("magnitude", "phase", "mask", "reference")


@read_only
@dataclass(frozen=True, eq=False)
class EptResult(Run):
    """Everything that an EPT run found.

    Parameters
    ----------
    folder : Path or None
        The folder.
    summary : dict
        summary.json: what that of every run holds, and "ept" with "data" (what was
        reconstructed), "methods" {name: settings, seconds, flags, calibration} and "metrics" (rows of
        :func:`emdose.ept.judging.metrics`, each with its "method").
    b1 : B1Map
        The data, without noise maps.
    labels : (nx, ny, nz) int ndarray
        Tissues; what ``names`` does not have is background.
    names : dict of int to str
        Names of the labels.
    truth : dict of str to (nx, ny, nz) ndarray
        "conductivity" [S/m] and "permittivity" where they are known.
    maps : dict of str to PropertyMap
        Result of every method, in the order of the scenario.
    """

    b1: B1Map
    labels: np.ndarray
    names: dict[int, str]
    truth: dict[str, np.ndarray]
    maps: dict[str, PropertyMap]

    def _contents(self) -> Contents:
        """Conductivity and permittivity of every method, with their uncertainty; then data and truth."""
        return contents(self.b1, self.labels, self.names, self.truth, self.maps)

    def _affine_mm(self) -> np.ndarray | None:
        return self.b1.affine


def contents(
    b1: B1Map,
    labels: np.ndarray,
    names: Mapping[int, str],
    truth: Mapping[str, np.ndarray],
    maps: Mapping[str, PropertyMap],
) -> Contents:
    """All maps of a run by name; arguments as of :class:`EptResult`."""
    found: dict[str, LabelledArray] = {}
    for method, one in maps.items():
        for name, item in labelled.contents(one).quantities.items():
            found[f"{method} {name}"] = replace(item, title=f"{item.title}, {method}")
    for name, item in labelled.contents(b1).quantities.items():
        if name in ("magnitude", "phase") and item.dims == AXES:
            found[f"B1_{name}"] = item
    for name, values in truth.items():
        unit = property_maps.UNITS.get(name, "")
        found[f"truth {name}"] = LabelledArray(partial(np.asarray, values), AXES, unit, f"true {name}", "spread")
    words = tuple(names.get(n, "") for n in range(max(names, default=0) + 1))
    found["label"] = LabelledArray(lambda: np.asarray(labels, np.int32), AXES, "", "tissue", "label", names=words)
    points = {axis: b1.grid.centres(n) for n, axis in enumerate(AXES)}
    return Contents(found, points, dict.fromkeys(AXES, "m"), {"frequency_Hz": b1.frequency_Hz}, b1.grid)


def write_result(
    stage: atomic.Stage,
    *,
    b1: B1Map,
    labels: np.ndarray,
    names: Mapping[int, str],
    truth: Mapping[str, np.ndarray],
    maps: Mapping[str, PropertyMap],
    body: Phantom | None,
    provenance: Mapping[str, Any],
) -> None:
    """Write result.h5 into a stage; it appears when the stage is committed.

    Parameters
    ----------
    stage : Stage
        Where to write, see :func:`emdose.io.disk.atomic.staging`.
    b1, labels, names, truth, maps
        As in :class:`EptResult`.
    body : Phantom, optional
        The object of simulated maps.
    provenance : mapping
        Goes as JSON into the group /provenance.
    """
    with new_result(stage, FORMAT, FORMAT_VERSION, provenance) as file:
        _write_b1(file.create_group("b1"), b1)
        put_map(file, "labels", np.asarray(labels, np.int32), "1")
        file["labels"].attrs["names"] = json.dumps({str(n): name for n, name in names.items()})
        group = file.create_group("truth")
        for name, values in truth.items():
            put_map(group, name, np.asarray(values, np.float32), property_maps.UNITS.get(name, "1"))
        group = file.create_group("methods", track_order=True)
        for number, (name, one) in enumerate(maps.items()):
            # Names of methods may hold "/", which HDF5 would take as a path.
            part = group.create_group(f"{number:03d}")
            property_maps.write_property_group(part, one)
            part.attrs["name"] = name
        if body is not None:
            hdf5.write_phantom_group(file.create_group("phantom"), body)


def write_nifti(stage: atomic.Stage, maps: Mapping[str, PropertyMap]) -> None:
    """Every map as NIfTI, ``METHOD_conductivity.nii.gz`` and so on, with the affine of the B1+ maps."""
    stems = file_stems(maps)
    for name, one in maps.items():
        for target, content in property_maps.nifti_files(one, stems[name]).items():
            stage.path(target).write_bytes(content)


def write_vti(
    stage: atomic.Stage,
    b1: B1Map,
    labels: np.ndarray,
    names: Mapping[int, str],
    truth: Mapping[str, np.ndarray],
    maps: Mapping[str, PropertyMap],
) -> None:
    """All maps as one file for ParaView."""
    stage.path(FIELDS_FILE).write_bytes(exports.vti(contents(b1, labels, names, truth, maps)))


def read_result(folder: Path, summary: dict[str, Any]) -> EptResult:
    """Read what an EPT run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished EPT result, or its files are damaged.
    """
    require_keys(summary, KEYS, folder)
    path = folder / RESULT_FILE
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        maps = {}
        for key in sorted(file["methods"]):
            group = file["methods"][key]
            maps[str(group.attrs["name"])] = property_maps.read_property_group(group, path)
        return EptResult(
            folder=folder,
            summary=summary,
            b1=_read_b1(file["b1"]),
            labels=file["labels"][()],
            names={int(n): name for n, name in json.loads(file["labels"].attrs["names"]).items()},
            truth={name: values[()] for name, values in file["truth"].items()},
            maps=maps,
        )


def _write_b1(group: Any, b1: B1Map) -> None:
    group.attrs.update(
        {
            "frequency_Hz": b1.frequency_Hz,
            "spacing_m": b1.grid.spacing_m,
            "origin_m": b1.grid.origin_m,
            "phase_kind": b1.phase_kind,
            "axis_codes": b1.axis_codes,
            "source": b1.source,
            "notes": json.dumps(b1.notes),
        }
    )
    if b1.affine is not None:
        group.attrs["affine_mm"] = b1.affine
    for name in ARRAYS:
        values = getattr(b1, name)
        if values is not None:
            put_map(group, name, values if values.dtype == bool else values.astype(np.float32), "rad or arbitrary")


def _read_b1(group: Any) -> B1Map:
    about = dict(group.attrs)
    arrays = {name: group[name][()] for name in ARRAYS if name in group}
    grid = Grid(arrays["mask"].shape, tuple(about["spacing_m"]), tuple(about["origin_m"]))
    return B1Map(
        grid=grid,
        frequency_Hz=float(about["frequency_Hz"]),
        phase_kind=str(about["phase_kind"]),
        affine=about.get("affine_mm"),
        axis_codes=str(about["axis_codes"]),
        source=str(about["source"]),
        notes=tuple(json.loads(about.get("notes", "[]"))),
        **arrays,
    )
