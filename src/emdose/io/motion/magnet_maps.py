"""Maps of a magnet's field with its direction: r, z, Br, Bz on a grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.motion.columns import read_columns, require
from emdose.models.induction.magnet_map import MappedMagnet
from emdose.models.induction.magnets import Cryostat

EXPECTED = (
    "a table (.csv, .txt) with a header such as 'r [m], z [m], Br [T], Bz [T]', a row for every r and z of a grid"
)
LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
FIELDS = {"T": 1.0, "mT": 1e-3, "G": 1e-4}
KNOWN = {
    "r": (("r", "radius", "rho"), LENGTHS),
    "z": (("z",), LENGTHS),
    "Br": (("br", "b_r", "brho"), FIELDS),
    "Bz": (("bz", "b_z"), FIELDS),
}


def read_magnet_map(path: Path | str, cryostat: Cryostat | None = None) -> MappedMagnet:
    r"""The static field of a magnet from a table over (r, z).

    Parameters
    ----------
    path : Path or str
        Text with a header that names each column with its unit in brackets: r, z, Br, Bz, in any order, and one row for
        every pair of r and z of a grid that begins on the axis. A map that begins at z = 0 is mirrored.
    cryostat : Cryostat, optional
        The magnet's wall, where nobody can be.

    Raises
    ------
    InputError
        When a column or its unit is missing, the places are no full grid, or a field is beyond 30 T (a map in mT);
        one line that names the file. \\|B\\| alone has no direction and is refused: ``em.read_field_map`` reads it for
        forces.
    """
    path = Path(path)
    found = read_columns(path, KNOWN, EXPECTED)
    require(found, tuple(KNOWN), path, EXPECTED)
    # Places that differ by rounding of the file are the same line.
    r, z = (np.round(found[key], 6) for key in ("r", "z"))
    lines_r, at_r = np.unique(r, return_inverse=True)
    lines_z, at_z = np.unique(z, return_inverse=True)
    shape = len(lines_r), len(lines_z)
    flat = np.ravel_multi_index((at_r, at_z), shape)
    if len(flat) != shape[0] * shape[1] or len(np.unique(flat)) != len(flat):
        raise InputError(
            "places that are no full grid",
            file=path,
            field="r, z",
            found=f"{len(flat)} rows for {shape[0]} r and {shape[1]} z",
            expected=EXPECTED,
        )
    fields = []
    for key in ("Br", "Bz"):
        values = np.empty(flat.size)
        values[flat] = found[key]
        fields.append(values.reshape(shape))
    try:
        return MappedMagnet(path.stem, lines_r, lines_z, fields[0], fields[1], cryostat)
    except InputError as error:
        raise error.at(file=path) from None
