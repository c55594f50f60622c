"""Loads J x B0 for structural codes: a table of forces at points, or tractions on a surface for ParaView."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.mechanics.loads import LorentzLoad
from emdose.models.implants.implant import Implant

COLUMNS = "x_m,y_m,z_m,Fx_re_N,Fx_im_N,Fy_re_N,Fy_im_N,Fz_re_N,Fz_im_N"


def write_load(load: LorentzLoad, path: Path | str, implant: Implant | None = None) -> Path:
    """Write a load as a table (.csv) or, on a surface, as tractions (.vtp).

    Parameters
    ----------
    load : LorentzLoad
        On voxels or triangles.
    path : Path or str
        The ending decides: .csv has a row per point with real and imaginary part of the peak phasor of each force [N],
        and .vtp the triangles with traction [Pa].
    implant : Implant, optional
        The surface that the load acts on, for .vtp.

    Raises
    ------
    InputError
        For another ending, and for a .vtp of a load that is not on this surface.
    OutputError
        When it cannot be written.
    """
    path = Path(path)
    atomic.write_bytes(path, load_bytes(load, path.suffix, implant))
    return path


def load_bytes(load: LorentzLoad, ending: str, implant: Implant | None = None) -> bytes:
    """What :func:`write_load` writes, for ".csv" or ".vtp"."""
    if ending == ".csv":
        table = np.concatenate([load.points_m, np.ascontiguousarray(load.forces_N).view(float)], axis=1)
        rows = "\n".join(",".join(f"{v:.9e}" for v in row) for row in table)
        about = "# Forces J x B0 as peak phasors, exp(+jwt); the sum of all is zero and their torque m x B0"
        return f"{about}\n{COLUMNS}\n{rows}\n".encode()
    if ending != ".vtp":
        raise InputError("unknown kind of file", field="path", found=ending, expected=".csv or .vtp")
    if implant is None or load.areas_m2 is None or sum(len(p.triangles) for p in implant.parts) != len(load.areas_m2):
        raise InputError(
            "tractions need the surface that they act on", field="implant", expected="the implant of on_surface()"
        )
    from emdose.io.maps.vtk import surface_bytes

    traction = load.forces_N / np.maximum(load.areas_m2, 1e-300)[:, None]
    points = np.concatenate([p.vertices for p in implant.parts])
    starts = np.cumsum([0, *(len(p.vertices) for p in implant.parts[:-1])])
    triangles = np.concatenate([p.triangles + s for p, s in zip(implant.parts, starts, strict=True)])
    maps = {
        "traction_re_Pa": np.ascontiguousarray(traction.real),
        "traction_im_Pa": np.ascontiguousarray(traction.imag),
    }
    return surface_bytes(points, triangles, maps)
