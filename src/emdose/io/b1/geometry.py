"""Arrays of images turned to the orientation closest to RAS+."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_OBLIQUE_deg = 1.0


def turned_to_ras(
    stacks: Sequence[np.ndarray | None], affine: np.ndarray
) -> tuple[list[np.ndarray | None], np.ndarray, str]:
    """Stacks (echo, receiver, x, y, z) of one shape, their affine [mm] now, and the codes of what was given."""
    import nibabel

    codes = "".join(nibabel.aff2axcodes(affine))
    turns = nibabel.io_orientation(affine)
    out: list[np.ndarray | None] = []
    for values in stacks:
        last = None if values is None else nibabel.apply_orientation(np.moveaxis(values, (0, 1), (3, 4)), turns)
        out.append(None if last is None else np.ascontiguousarray(np.moveaxis(last, (3, 4), (0, 1))))
    shape = next(values.shape[2:] for values in stacks if values is not None)
    return out, affine @ nibabel.orientations.inv_ornt_aff(turns, shape), codes


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
