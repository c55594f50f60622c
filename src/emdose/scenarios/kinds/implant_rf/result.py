"""The result folder of an ``implant-rf`` run, written and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.sar import SarMap
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
from emdose.scenarios.shared.results import exports
from emdose.scenarios.shared.results.run import Run
from emdose.scenarios.shared.sar_files import read_metal, read_sar, write_metal, write_sar
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.implant_rf.heat import Site

FORMAT, FORMAT_VERSION = "emdose implant RF result", 1
KEYS = ("convergence", "power_balance", "implant_rf", "thermal")
"""What summaries of this kind have beside what all have."""


@read_only(units={"background": "W/kg", "rise": "K", "power_density": "W/m^3"})
@dataclass(frozen=True, eq=False)
class ImplantRfResult(Run):
    """Everything that an ``implant-rf`` run found around the implant.

    Parameters
    ----------
    folder : Path
        The folder.
    summary : dict
        summary.json: the keys of every kind, and "implant_rf" and "thermal".
    phantom : Phantom
        The body around the implant after surgery, with tissue where the metal is.
    sar : SarMap
        SAR with the implant [W/kg].
    background : (nx, ny, nz) ndarray
        SAR without it [W/kg].
    rise : (nx, ny, nz) ndarray
        Rise of temperature at the end [K].
    metal : (nx, ny, nz) bool ndarray
        Voxels of metal.
    power_density : (nx, ny, nz) ndarray
        Power density in the metal [W/m^3].
    """

    phantom: Phantom
    sar: SarMap
    background: np.ndarray
    rise: np.ndarray
    metal: np.ndarray
    power_density: np.ndarray

    def _contents(self) -> Contents:
        """SAR with and without the implant, rise, metal, tissue."""
        return contents(self.phantom, self.sar, self.background, self.rise, self.metal)


def contents(phantom: Phantom, sar: SarMap, background: np.ndarray, rise: np.ndarray, metal: np.ndarray) -> Contents:
    """The maps of a run by name."""
    body: dict[str, Any] = {"inside": lambda: phantom.body}
    names = tuple(t.name for t in phantom.tissues)
    found = {
        "SAR": LabelledArray(lambda: sar.value, AXES, "W/kg", "point SAR with the implant", **body),
        "SAR_background": LabelledArray(lambda: background, AXES, "W/kg", "point SAR without the implant", **body),
        "temperature_rise": LabelledArray(lambda: rise, AXES, "K", "temperature rise at the end", **body),
        "metal": LabelledArray(lambda: metal.astype(np.uint8), AXES, "", "metal"),
        "label": LabelledArray(lambda: phantom.labels, AXES, "", "tissue", "label", names=names),
    }
    grid = phantom.grid
    points = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
    return Contents(found, points, dict.fromkeys(AXES, "m"), {"rule": sar.rule}, grid)


def write_result(stage: Stage, site: Site, provenance: Mapping[str, Any]) -> None:
    """Write result.h5 and fields.vti into a stage; they appear when the stage is committed."""
    run = site.run
    assert run.metal is not None
    with new_result(stage, FORMAT, FORMAT_VERSION, provenance) as file:
        write_sar(file, run.phantom, run.sar)
        write_metal(file, run.metal)
        file.create_group("coil").attrs["name"] = run.source
        file.create_group("fields").attrs["frequency_Hz"] = run.frequency_Hz
        group = file.create_group("site")
        put_map(group, "background", single(site.background), "W/kg")
        put_map(group, "rise", single(site.rise), "K")
    made = contents(run.phantom, run.sar, site.background, site.rise, np.asarray(run.metal.metal))
    stage.path(FIELDS_FILE).write_bytes(exports.vti(made))


def read_result(folder: Path, summary: dict[str, Any]) -> ImplantRfResult:
    """Read what an ``implant-rf`` run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished result of this kind, or its files are damaged.
    """
    require_keys(summary, KEYS, folder)
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        phantom, sar = read_sar(file, folder / RESULT_FILE)
        heat = read_metal(file)
        assert heat is not None
        group = file["site"]
        return ImplantRfResult(
            folder, summary, phantom, sar, group["background"][()], group["rise"][()], heat.metal, heat.density
        )
