"""B1+ maps with a known truth, for the tests of emdose.ept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.ept.maps.b1map import B1Map
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

FREQUENCY = 128e6


@dataclass(frozen=True)
class Case:
    """A noiseless map and its truth."""

    b1: B1Map
    conductivity: np.ndarray
    permittivity: np.ndarray
    labels: np.ndarray
    mask: np.ndarray

    def noisy(self, snr: float, seed: int, known: bool = True) -> B1Map:
        """Gaussian noise 1/snr on the magnitude (relative to the axis) and on the phase [rad]."""
        rng = np.random.default_rng(seed)
        assert self.b1.magnitude is not None
        assert self.b1.phase is not None
        u = 1 / snr if known else None
        return B1Map(
            grid=self.b1.grid,
            frequency_Hz=self.b1.frequency_Hz,
            magnitude=self.b1.magnitude + rng.normal(size=self.mask.shape) / snr,
            phase=self.b1.phase + rng.normal(size=self.mask.shape) / snr,
            mask=self.mask,
            labels=self.b1.labels,
            reference=self.b1.reference,
            u_magnitude=u,
            u_phase=u,
        )


def cylinder(
    shape: tuple[int, int, int] = (64, 64, 9),
    spacing_m: tuple[float, float, float] = (2e-3, 2e-3, 2e-3),
    radii_m: tuple[float, ...] = (0.02, 0.04, 0.06),
    permittivity: tuple[float, ...] = (52.0, 73.0, 65.0),
    conductivity: tuple[float, ...] = (0.34, 0.6, 1.0),
    with_labels: bool = True,
) -> Case:
    """The layered cylinder, its axis along z."""
    grid = Grid(shape, spacing_m)
    x, y, _ = np.broadcast_arrays(*grid.centre_points())
    solution = LayeredCylinder(radii_m, permittivity, conductivity, FREQUENCY)
    plus, minus = (field[:, :, None] for field in solution.transmit_and_receive(x[:, :, 0], y[:, :, 0]))
    middle = (shape[0] // 2, shape[1] // 2, 0)
    plus, trx = plus / abs(plus[middle]), plus * minus
    trx = np.angle(trx * np.exp(-1j * np.angle(trx[middle])))
    layer = solution.layer(x, y)
    sigma, eps = solution.properties(x, y)
    magnitude, phase = (np.broadcast_to(a, shape).copy() for a in (abs(plus), trx))
    mask = layer < len(radii_m)
    b1 = B1Map(
        grid,
        FREQUENCY,
        magnitude,
        phase,
        mask=mask,
        labels=layer if with_labels else None,
        reference=100.0 * (layer + 1.0) * mask,
    )
    return Case(b1, sigma, eps, layer, mask)


def median_error(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Median of abs(found - truth) / truth over finite voxels."""
    relative = np.abs(found[where] - truth[where]) / truth[where]
    return float(np.nanmedian(relative))
