"""Small bodies and made-up fields whose SAR is known or can be summed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.models.bodies import Phantom
from emdose.models.bodies.tissues import Constant, Tissue, TissueTable
from emdose.models.grids.grid import Grid
from emdose.solvers.results.fields import Fields, PowerBalance

MATERIALS = {"muscle_like": (1050.0, 0.7), "bone_like": (1900.0, 0.08), "fluid_like": (1007.0, 2.1)}


def make_phantom(labels, spacing_m=(2e-3, 3e-3, 4e-3), regions=None, materials=MATERIALS, origin_m=None):
    """A phantom of frequency-independent tissues; ``materials`` is name -> (density, conductivity)."""
    air = TissueTable.default()["air"]
    tissues = [Tissue(name, rho, Constant(50.0, sigma)) for name, (rho, sigma) in materials.items()]
    grid = Grid(np.shape(labels), spacing_m, *([] if origin_m is None else [origin_m]))
    return Phantom(grid, np.asarray(labels, np.uint8), (air, *tissues), "made up", regions or {})


def edge_power_matrix(phantom, E):
    """1/2 sum over edges of sigma_e conj(E_k) E_l dV, with plain loops over the voxels that touch an edge."""
    sigma = phantom.conductivity(128e6).astype(float)
    n = E.shape[0]
    total = np.zeros((n, n), complex)
    nx, ny, nz = phantom.grid.shape
    offsets = {
        0: [(0, b, c) for b in (0, 1) for c in (0, 1)],
        1: [(a, 0, c) for a in (0, 1) for c in (0, 1)],
        2: [(a, b, 0) for a in (0, 1) for b in (0, 1)],
    }
    for component, touching in offsets.items():
        edge = np.zeros(phantom.grid.node_shape)
        for a, b, c in touching:
            edge[a : a + nx, b : b + ny, c : c + nz] += 0.25 * sigma
        e = E[:, component].astype(complex)
        total += np.einsum("xyz,kxyz,lxyz->kl", edge, e.conj(), e)
    return 0.5 * total * phantom.grid.voxel_volume_m3


def make_fields(phantom, E, B=None, frequency_Hz=128e6):
    """Fields with the absorbed power of these edges and nothing radiated."""
    ports = tuple(f"port {i}" for i in range(E.shape[0]))
    absorbed = edge_power_matrix(phantom, E)
    return Fields(
        grid=phantom.grid,
        frequency_Hz=frequency_Hz,
        E=E,
        B=np.zeros_like(E) if B is None else B,
        body=phantom.body,
        body_mass_kg=phantom.mass_kg,
        power=PowerBalance(absorbed, absorbed.copy(), np.zeros_like(absorbed)),
        ports=ports,
        drives={"all": np.ones(len(ports), complex)},
        drive_unit="A",
        residual=np.zeros(len(ports)),
    )


def random_E(phantom, ports=1, seed=0, dtype=np.complex128):
    """Random phasors on every edge node."""
    rng = np.random.default_rng(seed)
    shape = (ports, 3, *phantom.grid.node_shape)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


@pytest.fixture(scope="session")
def made_up():
    """The functions of this file."""
    from types import SimpleNamespace

    return SimpleNamespace(
        phantom=make_phantom, fields=make_fields, E=random_E, power=edge_power_matrix, materials=MATERIALS
    )


@pytest.fixture(scope="session")
def mixed(made_up):
    """7 x 6 x 5 voxels of three tissues and background in random order, tissue reaching the ends of the grid."""
    labels = np.random.default_rng(7).integers(0, 4, (7, 6, 5))
    return made_up.phantom(labels)
