"""Images of several receive channels combined into those of one virtual receiver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import one_of
from emdose.errors import InputError
from emdose.values import read_only

METHODS = ("svd", "aligned")


@read_only
@dataclass(frozen=True, eq=False)
class Combination:
    """What one virtual receiver would have seen.

    Parameters
    ----------
    images : (..., nx, ny, nz) complex ndarray
        Sum over the channels of weight times image.
    weights : (channel,) complex ndarray
        Constant over the volume, of unit norm: so the virtual receiver is a coil, whose field obeys the same equations,
        and noise that is equal and independent in all channels keeps its level.
    magnitude : (..., nx, ny, nz) ndarray
        Root of the sum of squares of the channels, for anatomy and masks.
    method : str
        In words.
    """

    images: np.ndarray
    weights: np.ndarray
    magnitude: np.ndarray
    method: str


def combine_receivers(images: np.ndarray, method: str = "svd", mask: np.ndarray | None = None) -> Combination:
    """Combine the images of several receive channels into those of one virtual receiver.

    Phases of array channels are transmit phase plus that of each channel's own receive field. Weights that vary from
    voxel to voxel (as adaptive reconstructions have) would leave a receive phase that no field has, and EPT
    differentiates it. Here the weights are constants.

    Parameters
    ----------
    images : (channel, nx, ny, nz) or (echo, channel, nx, ny, nz) complex ndarray
        Images of every receive channel.
    method : {"svd", "aligned"}
        "svd": the first left singular vector of channels by voxels, the receiver with the most signal in the mask.
        "aligned": phases aligned in the middle of the mask, with equal weights. Both give the anti-quadrature mode of
        an array around the object.
    mask : (nx, ny, nz) bool ndarray, optional
        The object; by default where the root of the sum of squares is above a tenth of its largest value.

    Raises
    ------
    InputError
        For images that are not complex or hold one channel only, and an unknown method.
    """
    one_of("receivers", method, METHODS, problem="unknown combination of receive channels")
    images = np.asarray(images)
    if not np.iscomplexobj(images) or images.ndim not in (4, 5) or images.shape[-4] < 2:
        raise InputError(
            "not images of several receive channels",
            field="receivers",
            found=f"{images.dtype} of shape {images.shape}",
            expected="complex numbers, two or more channels",
        )
    images = np.nan_to_num(images)
    magnitude = np.sqrt((np.abs(images) ** 2).sum(axis=-4))
    first, shown = (images, magnitude) if images.ndim == 4 else (images[0], magnitude[0])
    inside = shown > 0.1 * shown.max() if mask is None else np.asarray(mask, bool)
    if not inside.any() or not shown[inside].any():
        raise InputError("no signal in the mask", field="mask", expected="voxels with data")
    seen = first[:, inside]
    near = np.moveaxis(first, 0, -1)[_middle(inside)]
    if method == "svd":
        _, vectors = np.linalg.eigh(seen @ seen.conj().T)
        weights = vectors[:, -1].conj()
        words = "the singular vector of the most signal"
    else:
        if not np.all(np.abs(near) > 0):
            raise InputError("a channel without signal in the middle", field="receivers", expected="'svd'")
        weights = near.conj() / np.abs(near)
        words = "phases aligned in the middle of the mask"
    weights = weights / np.linalg.norm(weights)
    # A common phase is free: none in the middle, so that results are the same everywhere.
    turn = (weights @ near) * near[0].conj()
    if abs(turn) > 0:
        weights = weights * (turn.conj() / abs(turn))
    combined = np.tensordot(weights, images, axes=(0, images.ndim - 4))
    text = f"{len(weights)} receive channels combined by constant weights ({words})"
    return Combination(combined, weights, magnitude, text)


def _middle(inside: np.ndarray) -> tuple[int, ...]:
    """The voxel of the mask closest to its centre."""
    places = np.argwhere(inside)
    return tuple(int(i) for i in places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))])
