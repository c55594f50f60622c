"""Noise of B1+ maps as maps of (co)variances of what is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.compute.backend import Backend
from emdose.ept.local.masked_fit import LocalFit
from emdose.ept.maps.b1map import B1Map
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class Noise:
    """Noise that is independent from voxel to voxel.

    Attributes
    ----------
    maps : (n, nx, ny, nz) array of the device
        For complex data d: E|d|^2, Re E d^2, Im E d^2. For real channels: their variances.
    is_complex : bool
        Which of the two.
    origin : str
        "given" or "residual".
    """

    maps: Any
    is_complex: bool
    origin: str

    def applied_locally(self, be: Backend, fit: LocalFit) -> LocalFit:
        """The fit with its unit gains multiplied by the noise of the centre voxel."""
        return replace(fit, gain=self.maps[:, None] * be.xp.broadcast_to(fit.gain[:1], (1, *fit.gain.shape[1:])))

    def on_host(self, be: Backend) -> Noise | None:
        """Estimated noise as NumPy arrays; None when the B1+ map tells it anyway."""
        return None if self.origin == "given" else replace(self, maps=np.nan_to_num(be.to_numpy(self.maps)))


def known_noise(be: Backend, b1: B1Map, method: str) -> Noise | None:
    """The noise that came with a B1+ map, or None where the method needs one that is not known."""
    need_magnitude = method in ("complex", "split", "magnitude")
    need_phase = method in ("complex", "split", "phase")
    if (need_magnitude and b1.u_magnitude is None) or (need_phase and b1.u_phase is None):
        return None
    xp, mask = be.xp, np.asarray(b1.mask)
    if method == "complex":
        maps = xp.empty((3, *b1.grid.shape))
        um, up = (
            be.asarray(np.ascontiguousarray(np.atleast_1d(np.asarray(u, float)))) for u in (b1.u_magnitude, b1.u_phase)
        )
        phase, factor = b1.phase, b1.phase_factor  # exp(2 j phase/2) does not feel whole turns
        be.kernels.load(__package__, "window", real="double").launch(
            "complex_noise",
            b1.grid.size,
            int(um.size > 1) + 2 * int(up.size > 1),
            factor,
            be.asarray(np.ascontiguousarray(b1.magnitude)),
            be.asarray(np.ascontiguousarray(phase)),
            um,
            up,
            be.asarray(mask.astype(np.uint8)),
            maps[0],
            maps[1],
            maps[2],
        )
        return Noise(maps, True, "given")
    channels = []
    for present, u, factor in ((b1.magnitude, b1.u_magnitude, 1.0), (b1.phase, b1.u_phase, b1.phase_factor)):
        if present is not None:
            channels.append(np.where(mask, (factor * np.asarray(0.0 if u is None else u)) ** 2, 0.0))
    if method == "phase" and b1.magnitude is None:
        channels = channels[-1:]
    return Noise(be.asarray(np.stack(channels)), False, "given")


def residual_noise(be: Backend, fit: LocalFit, method: str) -> Noise:
    """Local noise from the residuals of the fits, taken as constant within each window.

    It also holds what the polynomials cannot follow, so that it grows beside interfaces.
    """
    xp, r = be.xp, be.xp.maximum(fit.residual / fit.freedom, 0)
    if method == "complex":
        cross = fit.residual[1] / fit.freedom
        return Noise(xp.stack([r[0] + r[2], r[0] - r[2], 2 * cross]), True, "residual")
    return Noise(r if len(r) == 1 else xp.stack([r[0], r[2]]), False, "residual")


def variance_of(b1: B1Map, form: str) -> np.ndarray | None:
    """Expected squared noise of the complex field (both parts together) or of the transmit phase, None if unknown."""
    if b1.u_phase is None or (form == "complex" and b1.u_magnitude is None):
        return None
    u_phase = b1.phase_factor * np.broadcast_to(b1.u_phase, b1.grid.shape)
    if form == "phase":
        out = u_phase**2
    else:
        out = np.broadcast_to(b1.u_magnitude, b1.grid.shape) ** 2 + (np.nan_to_num(b1.magnitude) * u_phase) ** 2  # type: ignore[arg-type]
    return np.ascontiguousarray(np.where(np.asarray(b1.mask), out, 0.0))
