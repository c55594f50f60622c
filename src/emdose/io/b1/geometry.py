"""Arrays of images turned to the orientation closest to RAS+."""

from __future__ import annotations

import numpy as np

_OBLIQUE_deg = 1.0


def turned_to_ras(
    magnitude: np.ndarray | None, phase: np.ndarray | None, affine: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray, str]:
    """Magnitude and phase (echo, receiver, x, y, z), their affine [mm] now, and the codes of what was given."""
    import nibabel

    codes = "".join(nibabel.aff2axcodes(affine))
    turns = nibabel.io_orientation(affine)
    shape: tuple[int, ...] | None = None
    out: list[np.ndarray | None] = []
    for values in (magnitude, phase):
        if values is None:
            out.append(None)
            continue
        shape = values.shape[2:]
        last = np.moveaxis(values, (0, 1), (3, 4))
        out.append(np.ascontiguousarray(np.moveaxis(nibabel.apply_orientation(last, turns), (3, 4), (0, 1))))
    assert shape is not None
    return out[0], out[1], affine @ nibabel.orientations.inv_ornt_aff(turns, shape), codes


def tilt_note(affine: np.ndarray | None) -> tuple[str, ...]:
    """A remark on slices that are not perpendicular to the scanner's z."""
    if affine is None:
        return ()
    z = affine[:3, 2] / np.linalg.norm(affine[:3, 2])
    tilt = float(np.degrees(np.arccos(min(1.0, abs(float(z[2]))))))
    if tilt <= _OBLIQUE_deg:
        return ()
    return (
        f"third axis {tilt:.0f} degrees from the scanner's z: Helmholtz does not mind; convection-reaction, gradient "
        "EPT and contrast-source inversion take it for the direction of B0",
    )
