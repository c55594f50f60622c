"""All 405 rows of the table of spheres and infinite cylinders, 100 Hz to 100 kHz, with the automatic engine.

Oracle: the closed forms in tests/data/eddy_sphere_cylinder_power.csv. An infinite cylinder is what two rods with
round ends differ by.
"""

from __future__ import annotations

import csv
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.errors import EmdoseWarning
from emdose.models.implants import shapes
from emdose.models.implants.implant import Implant, Part

LIMIT = 0.02
METALS = ("Al", "CoCrMo", "Cu", "SS316L", "Ti6Al4V")
RADII = (10.0, 15.0, 20.0)


def rows(body: str, radius_mm: float, material: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Frequencies [Hz], powers at 1 T/s rms, conductivity."""
    path = Path(__file__).parents[1] / "data" / "eddy_sphere_cylinder_power.csv"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip('"').startswith("#")]
    found = [
        r
        for r in csv.DictReader(lines)
        if r["body"] == body and r["material"] == material and float(r["radius_mm"]) == radius_mm
    ]
    f, power = (np.array([float(r[key]) for r in found]) for key in ("f_Hz", "power"))
    order = np.argsort(f)
    return f[order], power[order] / 42.0**2, float(found[0]["sigma_S_m"])


def metal(name: str, sigma: float) -> em.Metal:
    return em.Metal(name, sigma, 5000.0, 450.0, 15.0)


def rod(radius: float, straight: float, of: em.Metal, around: int = 48) -> Implant:
    """A cylinder with half balls at its ends; polygons around it have the area of the circle."""
    r = radius * math.sqrt(2 * math.pi / around / math.sin(2 * math.pi / around))
    polar = np.linspace(0, math.pi / 2, around // 4 + 1)[1:]
    z = np.linspace(-straight / 2, straight / 2, max(2, round(straight / (0.15 * radius))))
    profile = [(r * math.sin(t), -straight / 2 - radius * math.cos(t)) for t in polar[:-1]]
    profile += [(r, v) for v in z] + [(r * math.sin(t), straight / 2 + radius * math.cos(t)) for t in polar[:-1][::-1]]
    phi = 2 * math.pi * np.arange(around) / around
    points = [(x * np.cos(phi), x * np.sin(phi), np.full(around, y)) for x, y in profile]
    ends = np.array([[0, 0, -straight / 2 - radius], [0, 0, straight / 2 + radius]])
    vertices = np.concatenate([*(np.stack(p, axis=1) for p in points), ends])
    triangles, south, north = [], len(vertices) - 2, len(vertices) - 1
    for i in range(around):
        j, last = (i + 1) % around, (len(profile) - 1) * around
        triangles += [(south, j, i), (north, last + i, last + j)]
        for k in range(len(profile) - 1):
            a, b = k * around, (k + 1) * around
            triangles += [(a + i, a + j, b + j), (a + i, b + j, b + i)]
    return Implant("rod", (Part("rod", vertices, np.array(triangles), of),))


@pytest.mark.slow
@pytest.mark.parametrize("material", METALS)
@pytest.mark.parametrize("radius_mm", RADII)
def test_spheres(radius_mm: float, material: str) -> None:
    f, power, sigma = rows("sphere", radius_mm, material)
    assert len(f) == 9
    a = 1e-3 * radius_mm
    tensor = em.EddyCurrent(spacing_m=a / 10).solve(shapes.sphere(a, metal(material, sigma)), f)
    for axis in range(3):
        assert np.abs(tensor.matrix[:, axis, axis].real / power - 1).max() < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("material", METALS)
@pytest.mark.parametrize("radius_mm", RADII)
def test_cylinders(radius_mm: float, material: str) -> None:
    f, axial, sigma = rows("cyl_axial", radius_mm, material)
    across = rows("cyl_transverse", radius_mm, material)[1]
    a, lengths = 1e-3 * radius_mm, (8, 16)
    totals = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)
        for length in lengths:
            body = rod(a, length * a, metal(material, sigma))
            tensor = em.EddyCurrent(spacing_m=(a / 10, a / 10, a / 5)).solve(body, f)
            totals.append(np.einsum("fii->fi", tensor.matrix).real)
    found = (totals[1] - totals[0]) / ((lengths[1] - lengths[0]) * a)
    assert np.abs(found[:, 2] / axial - 1).max() < LIMIT
    assert np.abs(found[:, 0] / across - 1).max() < LIMIT
