"""EPT against the layered cylinder: values, boundaries, and whether the stated uncertainty is the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emdose.ept import B1Map, ConvectionReaction, Helmholtz, PropertyMap, relative_noise
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder
from emdose.validation.closed_forms.ept.layered_sphere import sphere_in_rotating_field
from emdose.validation.rows import Row, at_most, compare

FREQUENCY_HZ = 127.74e6
SPACING_M = (2e-3, 2.2e-3, 2.5e-3)
SNR = 100.0


def _maps(cylinder: LayeredCylinder, shape: tuple[int, int, int]) -> tuple[B1Map, np.ndarray, np.ndarray]:
    """Exact B1+ and transceive phase of a cylinder on an anisotropic grid, with its true properties."""
    axes = [(np.arange(n) - 0.5 * (n - 1)) * h for n, h in zip(shape[:2], SPACING_M[:2], strict=True)]
    x, y = (np.repeat(v[..., None], shape[2], axis=2) for v in np.meshgrid(*axes, indexing="ij"))
    transmit, receive = cylinder.transmit_and_receive(x, y)
    layer = cylinder.layer(x, y)
    mask = layer < len(cylinder.radii_m)
    sigma, permittivity = cylinder.properties(x, y)
    b1 = B1Map(
        grid=Grid(shape, SPACING_M),
        frequency_Hz=FREQUENCY_HZ,
        magnitude=np.abs(transmit),
        phase=np.angle(transmit * receive),
        mask=mask,
        labels=layer,
        source="closed form",
    )
    return b1, sigma, permittivity


def _error(found: PropertyMap, name: str, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.median(np.abs(getattr(found, name)[where] / truth[where] - 1)))


def homogeneous(device: Any) -> list[Row]:
    """Complex Helmholtz inside a homogeneous cylinder, and the uncertainty of noisy data."""
    b1, sigma, permittivity = _maps(LayeredCylinder([0.05], [60.0], [0.6], FREQUENCY_HZ), (53, 48, 13))
    found = Helmholtz(radius=2, uncertainty=False).reconstruct(b1, device)
    case, oracle = "EPT, homogeneous cylinder", "closed form"
    rows = [
        compare(case, oracle, "conductivity [S/m]", 0.6, float(np.median(found.conductivity[b1.mask])), 0.005),  # type: ignore[index]
        compare(case, oracle, "relative permittivity", 60.0, float(np.median(found.permittivity[b1.mask])), 0.005),  # type: ignore[index]
    ]
    random = np.random.default_rng(1)
    one, two = (random.standard_normal(b1.grid.shape) / SNR for _ in range(2))
    assert b1.magnitude is not None
    assert b1.phase is not None
    noisy = relative_noise(replace(b1, magnitude=b1.magnitude * (1 + one), phase=b1.phase + two), 1 / SNR)
    noisy_map = Helmholtz(radius=2).reconstruct(noisy, device)
    for name, truth in (("conductivity", sigma), ("permittivity", permittivity)):
        error, u = getattr(noisy_map, name) - truth, getattr(noisy_map, f"u_{name}")
        z = float(np.sqrt(np.mean((error / u)[b1.mask] ** 2)))
        rows.append(compare("EPT, noise at SNR 100", "statistics", f"rms of error over u, {name}", 1.0, z, 0.1))
    return rows


def layered(device: Any) -> list[Row]:
    """Fits inside each layer up to its boundaries, and the convection-reaction equation across them."""
    cylinder = LayeredCylinder([0.017, 0.034, 0.05], [52.0, 73.0, 65.0], [0.34, 0.6, 1.0], FREQUENCY_HZ)
    b1, sigma, permittivity = _maps(cylinder, (53, 48, 13))
    masked = Helmholtz(radius=2, uncertainty=False).reconstruct(b1, device)
    case, oracle = "EPT, layered cylinder, boundaries included", "closed form"
    mask = np.asarray(b1.mask)
    truths = (("conductivity", sigma), ("permittivity", permittivity))
    rows = [
        at_most(case, oracle, f"median relative error of {name}", _error(masked, name, truth, mask), 0.01)
        for name, truth in truths
    ]
    middle = b1.grid.shape[2] // 2
    across = ConvectionReaction(form="complex", slices=[middle]).reconstruct(replace(b1, labels=None), device)
    cut = mask & across.valid & (np.arange(b1.grid.shape[2]) == middle)
    for name, truth in truths:
        off = _error(across, name, truth, cut)
        rows.append(at_most("EPT, convection-reaction", oracle, f"median relative error of {name}", off, 0.03))
    return rows


def sphere(device: Any) -> list[Row]:
    """A two-layer sphere in a rotating field: curvature along all axes, a longitudinal field, boundaries that cut z."""
    radii, permittivity, conductivity = (0.035, 0.065), (52.0, 70.0), (0.35, 0.9)
    grid = Grid((46, 46, 9), (3e-3, 3e-3, 3e-3))
    points = np.stack([np.broadcast_to(c, grid.shape).ravel() for c in grid.centre_points()], axis=1)
    plus, minus = sphere_in_rotating_field(radii, permittivity, conductivity, FREQUENCY_HZ, points)
    layer = np.searchsorted(radii, np.linalg.norm(points, axis=1)).reshape(grid.shape)
    mask = layer < len(radii)
    magnitude, phase = np.abs(plus).reshape(grid.shape), np.angle(plus * minus).reshape(grid.shape)
    b1 = B1Map(grid, FREQUENCY_HZ, magnitude, phase, mask=mask, labels=layer, source="closed form")
    sigma, eps = (np.append(v, 0.0)[layer] for v in (conductivity, permittivity))
    found = Helmholtz(radius=2, uncertainty=False).reconstruct(b1, device)
    middle = grid.shape[2] // 2
    across = ConvectionReaction(slices=[middle], smoothing=1.0).reconstruct(replace(b1, labels=None), device)
    depth = np.linalg.norm(points, axis=1).reshape(grid.shape)
    core = across.valid & (depth < radii[0] - 9e-3)
    case, oracle = "EPT, two-layer sphere in a rotating field", "Mie series"
    rows = []
    for name, truth in (("conductivity", sigma), ("permittivity", eps)):
        off = _error(found, name, truth, mask & found.valid)
        rows.append(at_most(case, oracle, f"median relative error of {name}", off, 0.01))
        mean = float(np.mean(getattr(across, name)[core]))
        unit = " [S/m]" if name == "conductivity" else ""
        across_it = f"{name} of the core, convection-reaction{unit}"
        rows.append(compare(case, oracle, across_it, float(truth[core].mean()), mean, 0.05))
    return rows


CASES = {"ept-homogeneous": homogeneous, "ept-layered": layered, "ept-sphere": sphere}
