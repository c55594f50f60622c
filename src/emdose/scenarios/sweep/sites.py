"""Where the implants of a sweep lie in the body, and in the scanner when a landmark is at the isocentre."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError
from emdose.models.bodies.stylised_adult import LANDMARKS_MM, stylised_adult
from emdose.models.implants.voxels import embed
from emdose.scenarios.shared.implants import building

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.sweep.schema import SweepFile


def implant_of(tables: SweepFile, name: str) -> Implant:
    """An implant of a sweep, turned as it lies in the body, around the origin."""

    class _One:
        implant = tables.implants[name].implant
        metals = tables.metals

    return building.implant(_One, f"implants.{name}")


def place_m(tables: SweepFile, name: str, landmark: str) -> np.ndarray:
    """Its place with a landmark of the body at the isocentre, shape (3,) [m]."""
    return np.asarray(tables.implants[name].site_m) - [0.0, 0.0, 1e-3 * LANDMARKS_MM[landmark]]


def check_sites(tables: SweepFile) -> None:
    """Refuse an implant outside the body that its RF cases need, before anything is solved.

    Parameters
    ----------
    tables : SweepFile
        Without a table [rf] there is no body, and nothing to check.

    Raises
    ------
    InputError
        Naming the implant and the share of it in air, on the voxels that RF is solved on.
    """
    if tables.rf is None:
        return
    implants = {name: implant_of(tables, name) for name in tables.implants}
    for landmark in dict.fromkeys(where.landmark for where in tables.regions.values()):
        assert landmark is not None
        body = stylised_adult(tables.rf.spacing_m, landmark)
        for name, implant in implants.items():
            try:
                embed(implant.moved(place_m(tables, name, landmark).tolist()), body)
            except InputError as error:
                raise error.at(file=f"implants.{name}", field="site_m") from None
