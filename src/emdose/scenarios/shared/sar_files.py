"""A body and its SAR in result.h5: what one run leaves and another may take as a source of heat, whatever their kinds.

The groups are /phantom and /sar, with /implants where metal was in the body, and two attributes say what made the
field: ``name`` of /coil and ``frequency_Hz`` of /fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.sar import SarMap
from emdose.errors import InputError
from emdose.io.bodies import hdf5
from emdose.io.disk import datasets
from emdose.io.disk.run_files import RESULT_FILE, put_map, read_summary, require_intact, single, to_json
from emdose.scenarios.shared.convergence import summary_measures, summary_validity

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


@dataclass(frozen=True, eq=False)
class MetalHeat:
    """Metal of a run with implants.

    Parameters
    ----------
    sha256 : str
        Hash of the implants in their places, in whatever order.
    names : tuple of str
        What they are called.
    metal : (nx, ny, nz) bool ndarray
        Voxels of metal.
    density : (nx, ny, nz) ndarray
        Power density in them [W/m^3].
    """

    sha256: str
    names: tuple[str, ...]
    metal: np.ndarray
    density: np.ndarray


@dataclass(frozen=True, eq=False)
class SarRun:
    """A finished run as a source of heat.

    Parameters
    ----------
    source : str
        What made the field, such as "birdcage, 16 rungs".
    frequency_Hz : float
        Frequency [Hz].
    phantom : Phantom
        The body.
    sar : SarMap
        Point SAR [W/kg].
    metal : MetalHeat or None
        The metal that was in the body, and the power in it.
    """

    source: str
    frequency_Hz: float
    phantom: Phantom
    sar: SarMap
    metal: MetalHeat | None = None


def write_sar(file: Any, phantom: Phantom, sar: SarMap) -> None:
    """Put the groups /phantom and /sar into an open HDF5 file."""
    hdf5.write_phantom_group(file.create_group("phantom"), phantom)
    group = file.create_group("sar")
    put_map(group, "value", single(sar.value), "W/kg")
    put_map(group, "density", single(sar.density), "kg/m^3")
    group.attrs["rule"] = sar.rule
    group.attrs["provenance"] = to_json(sar.provenance)


def write_metal(file: Any, heat: MetalHeat) -> None:
    """Put the group /implants into an open HDF5 file, beside those of :func:`write_sar`."""
    group = file.create_group("implants")
    group.attrs["sha256"], group.attrs["names"] = heat.sha256, list(heat.names)
    put_map(group, "metal", heat.metal.astype(np.uint8), "1 in metal")
    put_map(group, "power_density", single(heat.density), "W/m^3")


def read_metal(file: Any) -> MetalHeat | None:
    """What :func:`write_metal` has put into a file; None where there is none."""
    if "implants" not in file:
        return None
    group = file["implants"]
    names = tuple(str(n) for n in group.attrs["names"])
    return MetalHeat(str(group.attrs["sha256"]), names, group["metal"][()].astype(bool), group["power_density"][()])


def read_sar(file: Any, path: Path) -> tuple[Phantom, SarMap]:
    """What :func:`write_sar` has put into an HDF5 file, open at ``path``."""
    phantom = hdf5.read_phantom_group(file["phantom"], path)
    group = file["sar"]
    told = json.loads(group.attrs["provenance"])
    return phantom, SarMap(group["value"][()], str(group.attrs["rule"]), phantom.grid, group["density"][()], told)


def read_sar_run(path: Path | str) -> SarRun:
    """The SAR of a finished run.

    Parameters
    ----------
    path : Path or str
        Its result.h5.

    Raises
    ------
    NotValidError
        When the run is not valid.
    InputError
        When the run is not finished, its files are damaged, or they hold no SAR.
    """
    path = Path(path)
    summary = read_summary(path.parent)  # it is written last
    summary_validity(summary, summary_measures).require(path.parent)
    if path.name == RESULT_FILE:
        require_intact(path.parent, summary)
    with datasets.opened(path) as file:
        if "sar" not in file or "phantom" not in file:
            raise InputError(
                "there is no SAR in this result",
                file=path,
                found=str(file.attrs.get("format")),
                expected='result.h5 of a run that keeps one, such as one of kind = "rf"',
            )
        source, frequency_Hz = str(file["coil"].attrs["name"]), float(file["fields"].attrs["frequency_Hz"])
        return SarRun(source, frequency_Hz, *read_sar(file, path), read_metal(file))
