"""Poses of a body over time from a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.motion.columns import read_columns, require
from emdose.models.induction.trajectories import Trajectory

EXPECTED = "a table (.csv, .txt) with a header such as 't [s], x [m], y [m], z [m], rx [deg], ry [deg], rz [deg]'"
TIMES = {"s": 1.0, "ms": 1e-3}
LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
ANGLES = {"rad": 1.0, "deg": float(np.pi / 180)}
KNOWN = {
    "t": (("t", "time"), TIMES),
    "x": (("x",), LENGTHS),
    "y": (("y",), LENGTHS),
    "z": (("z",), LENGTHS),
    "rx": (("rx",), ANGLES),
    "ry": (("ry",), ANGLES),
    "rz": (("rz",), ANGLES),
    "qw": (("qw",), {}),
    "qx": (("qx",), {}),
    "qy": (("qy",), {}),
    "qz": (("qz",), {}),
}
VECTOR, QUATERNION = ("rx", "ry", "rz"), ("qx", "qy", "qz", "qw")
ROUNDED = 0.02
"""How far from one the length of a quaternion may be by rounding."""


def read_poses(path: Path | str, centre_m: Sequence[float] = (0.0, 0.0, 0.0)) -> Trajectory:
    """A trajectory from a table of poses.

    Parameters
    ----------
    path : Path or str
        Text with a header that names each column with its unit in brackets: t, x, y, z, and how the body's axes are
        turned into those of the room, as a rotation vector rx, ry, rz (rad or deg) or as a quaternion qw, qx, qy, qz
        (without units). Without either the body is not turned.
    centre_m : (float, float, float)
        The body's point that x, y, z are the place of, in its coordinates [m].

    Raises
    ------
    InputError
        When a column or its unit is missing, quaternions are not of length one, the motion is one of nobody, or poses
        are too far apart for their speed; the file is named.
    """
    path = Path(path)
    found = read_columns(path, KNOWN, EXPECTED)
    require(found, ("t", "x", "y", "z"), path, EXPECTED)
    places = np.stack([found[key] for key in "xyz"], axis=1)
    turns = None
    if any(key in found for key in QUATERNION):
        from scipy.spatial.transform import Rotation

        require(found, QUATERNION, path, EXPECTED)
        if any(key in found for key in VECTOR):
            raise InputError("both a rotation vector and a quaternion", file=path, expected="one of them")
        quaternions = np.stack([found[key] for key in QUATERNION], axis=1)
        off = np.abs(np.linalg.norm(quaternions, axis=1) - 1)
        if off.max() > ROUNDED:
            raise InputError(
                "quaternion that is not of length one",
                file=path,
                field=f"row {int(np.argmax(off)) + 1}",
                found=f"length {np.linalg.norm(quaternions[int(np.argmax(off))]):.3g}",
                expected="qw^2 + qx^2 + qy^2 + qz^2 = 1",
            )
        turns = Rotation.from_quat(quaternions).as_rotvec()
    elif any(key in found for key in VECTOR):
        require(found, VECTOR, path, EXPECTED)
        turns = np.stack([found[key] for key in VECTOR], axis=1)
    try:
        made = Trajectory(path.stem, found["t"], places, turns, tuple(centre_m), f"poses of the file {path.name}")
        made.require_resolved()
    except InputError as error:
        raise error.at(file=path) from None
    return made
