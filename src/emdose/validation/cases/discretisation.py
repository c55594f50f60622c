"""What voxels do to the numbers of a run: spheres in a plane wave against Mie series.

The errors measured here, over sizes, frequencies, tissues and voxel sizes, are what
:mod:`emdose.solvers.results.discretisation` states as uncertainty; ``benchmarks/discretisation.py`` measures and fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emdose.dosimetry.averaging.average import mass_average
from emdose.dosimetry.sar import point_sar
from emdose.models import bodies
from emdose.models.bodies import Phantom
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.results.fields import Fields
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_materials import edge_mean
from emdose.validation.cases.volume_integral import complex_permittivity, gel
from emdose.validation.closed_forms import Sphere
from emdose.validation.rows import Row, at_least

FINE = 72
"""Cells across the sphere of the grid that the series is averaged on."""
NUMBERS = {
    "E": "E",
    "B": "B",
    "B_slice": "B",
    "power": "power",
    "scattered": "scattered power",
    "region": "regional SAR",
    "10g": "10 g SAR",
    "1g": "1 g SAR",
    "point": "point SAR",
    "E_peak": "E peak",
}
"""Errors of :func:`sphere_errors`, and what :mod:`emdose.solvers.results.discretisation` calls them."""
Media = tuple[tuple[float, float], ...]
SPHERES: tuple[tuple[tuple[float, ...], Media, float, float, bool], ...] = (
    ((0.05,), ((55.0, 0.5),), 100e6, 6e-3, False),
    ((0.05,), ((45.0, 1.0),), 750e6, 4e-3, True),
    ((0.064, 0.0704, 0.0752, 0.08), ((55.0, 0.5), (70.0, 1.2), (20.0, 0.2), (45.0, 1.0)), 128e6, 6e-3, False),
    ((0.06, 0.072, 0.08), ((55.0, 0.5), (20.0, 0.2), (70.0, 1.2)), 400e6, 4.2e-3, True),
)
"""Radii, media, frequency, voxel size and whether the wave is turned, of spheres that no fit has seen."""


def sphere_errors(
    radii_m: tuple[float, ...],
    media: tuple[tuple[float, float], ...],
    frequency_Hz: float,
    spacing_m: float,
    *,
    turned: bool = False,
    device: Any = "cpu",
    truth: Mapping[str, float] | None = None,
) -> tuple[Fields, dict[str, float], dict[str, float]]:
    """Relative errors of the headline numbers of a (layered) sphere in a plane wave.

    Parameters
    ----------
    radii_m : tuple of float
        Outer radii of the layers [m].
    media : tuple of (float, float)
        Relative permittivity and conductivity [S/m] of the layers; the density is 1000 kg/m^3.
    frequency_Hz, spacing_m : float
        Frequency [Hz] and voxel size [m].
    turned : bool
        Whether the wave travels along (1, 2, 3) rather than along z.
    device : {"auto", "cpu", "cuda"} or Backend
        Where.
    truth : mapping, optional
        Numbers of the series from an earlier call, which do not depend on the voxels.

    Returns
    -------
    Fields
        What was solved.
    dict
        Signed relative errors: "power", "scattered", "region" (octant of the sphere that is most wrong), "10g", "1g",
        "point", "E_peak", "B_slice" (mean abs(B1+) in the middle slice), "B" (at the centre), and "E", the relative L2
        error over all edges of tissue.
    dict
        The numbers of the series.
    """
    wave, axes = PlaneWave(), np.eye(3)
    if turned:
        k = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
        e = np.array([2.0, -1.0, 0.0]) / np.sqrt(5.0)
        wave, axes = PlaneWave(tuple(k), tuple(e)), np.stack([e, np.cross(k, e), k])
    series = Sphere(radii_m, [complex_permittivity(*m, frequency_Hz) for m in media], frequency_Hz)

    def exact(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        E, B = series.fields(points @ axes.T)
        return E @ axes, B @ axes

    tissues = [gel(*m, name=f"gel {i}") for i, m in enumerate(media)]
    body = bodies.layered_sphere(radii_m, tissues, spacing_m)
    fields = Vie().solve(Exposure(body, wave, frequency_Hz), device=device)
    found = _numbers(body, np.sum(np.abs(fields.E_centre()[0]) ** 2, axis=0), fields.b1plus()[0], fields)
    if truth is None:
        fine = bodies.layered_sphere(radii_m, tissues, 2 * radii_m[-1] / FINE)
        points = np.stack(np.broadcast_arrays(*fine.grid.centre_points()), axis=-1)
        square, b1 = np.zeros(fine.grid.shape), np.zeros(fine.grid.shape, complex)
        E, B = exact(points[fine.body])
        square[fine.body] = np.sum(np.abs(E) ** 2, axis=1)
        b1[fine.body] = 0.5 * (B[:, 0] + 1j * B[:, 1])
        power = series.power()
        truth = _numbers(fine, square, b1, None)
        # The octants keep their shares of the power that the series gives in all.
        truth |= {"power": power["absorption"], "scattered": power["scattering"]}
        truth["B"] = float(abs(0.5 * (exact(np.full((1, 3), 1e-9))[1][0] @ (1, 1j, 0))))
    errors = {name: found[name] / truth[name] - 1 for name in found}
    octants = [name for name in found if name.startswith("octant")]
    total, whole = sum(found[o] for o in octants), sum(truth[o] for o in octants)
    shares = [found[o] / total * (1 + errors["power"]) / (truth[o] / whole) - 1 for o in octants]
    errors = {name: e for name, e in errors.items() if name not in octants}
    errors["region"] = max(shares, key=abs)
    errors["E"] = _edges(fields, exact)
    return fields, errors, dict(truth)


def as_scaled(errors: Mapping[str, float]) -> dict[str, float]:
    """Largest size of every error as it stands and after scaling to B1+ at the centre or in the middle slice."""
    out = {"E": abs(errors["E"])}
    for name, error in errors.items():
        power = 0 if name in ("B", "B_slice", "E") else 1 if name == "E_peak" else 2
        scales = (0.0, errors["B"], errors["B_slice"])
        out[name] = max(abs((1 + error) / (1 + b) ** power - 1) for b in scales)
    return out


def covered(device: Any = "cpu") -> list[tuple[str, float, float]]:
    """Kind of number, largest error and stated expanded uncertainty of every number of :data:`SPHERES`."""
    rows = []
    for radii, media, frequency, spacing, turned in SPHERES:
        fields, errors, _ = sphere_errors(radii, media, frequency, spacing, turned=turned, device=device)
        stated = fields.discretisation()
        rows += [(NUMBERS[name], error, stated.expanded(NUMBERS[name])) for name, error in as_scaled(errors).items()]
    return rows


def coverage(device: Any) -> list[Row]:
    """Whether the stated uncertainty of discretisation covers the errors of spheres that no fit has seen."""
    rows = covered(device)
    share = float(np.mean([error <= stated for _, error, stated in rows]))
    quantity = "share of numbers within the stated uncertainty (k = 2)"
    return [at_least(f"{len(SPHERES)} spheres, 4 to 6 mm", "Mie series", quantity, 0.95, share, 0.9)]


def _numbers(body: Phantom, square: np.ndarray, b1: np.ndarray, fields: Fields | None) -> dict[str, float]:
    """Headline numbers of a solution or, from the square of E in the voxels, of the series."""
    sigma = body.conductivity(1e8).astype(float)
    sar = np.where(body.body, sigma * square / 2000.0, 0.0)
    out: dict[str, float] = {}
    if fields is not None:
        sar = np.asarray(point_sar(fields, body).value, float)
        power = fields.power.power()
        n = body.grid.shape
        around = tuple(slice((m - 1) // 2, m // 2 + 1) for m in n)
        out = {"power": power["absorbed_W"], "scattered": power["scattered_W"], "B": float(abs(b1[around].mean()))}
    middle = body.grid.index_of((0.0, 0.0, 1e-9))[2]
    out["B_slice"] = float(np.abs(b1[:, :, middle])[body.body[:, :, middle]].mean())
    for name, mass in (("10g", 10e-3), ("1g", 1e-3)):
        out[name] = float(np.nanmax(mass_average(sar, body.density, body.spacing_m, mass_kg=mass).value))
    out |= {"point": float(sar.max()), "E_peak": float(np.sqrt(square[body.body].max()))}
    x, y, z = np.broadcast_arrays(*body.grid.centre_points())
    for i in range(8):
        inside = ((x > 0) == bool(i & 1)) & ((y > 0) == bool(i & 2)) & ((z > 0) == bool(i & 4))
        out[f"octant {i}"] = float(sar[inside].sum() / max(1, np.count_nonzero(body.body & inside)))
    return out


def _edges(fields: Fields, exact: Any) -> float:
    """Relative L2 error of E over the edges whose four voxels are tissue."""
    grid, share = fields.grid, edge_mean(fields.body.astype(float), 0.0)
    wrong = size = 0.0
    for c in range(3):
        points = np.stack([np.broadcast_to(p, grid.node_shape) for p in grid.edge_points(c)], axis=-1)
        inside = share[c] == 1
        expected = exact(points[inside])[0][:, c]
        wrong += float(np.sum(np.abs(fields.E[0, c][inside] - expected) ** 2))
        size += float(np.sum(np.abs(expected) ** 2))
    return float(np.sqrt(wrong / size))


CASES = {"voxel uncertainty": coverage}
