"""Files of fields as other programs write them, imitated: no real ones are kept here.

Everything starts from a :class:`Solution`: a few plane waves on a lossy ball, whose fields are a closed form.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import savemat

import emdose as em
from emdose.circuits.network import Network
from emdose.constants import EPS_0, MU_0
from emdose.io.touchstone import write_touchstone
from emdose.validation.closed_forms.waves.mie import Sphere

FREQUENCY = 128e6
SIGMA, PERMITTIVITY, RADIUS, DENSITY = 0.6, 60.0, 0.05, 1040.0
STEP = 5e-3
SHAPE = (25, 23, 24)
TURNS = (((0, 1, 2), (1, 1, 1)), ((1, 2, 0), (1, 1, 1)), ((2, 0, 1), (1, 1, 1)))
"""Axes that the wave of each port is turned to: x, y, z of the closed form lie along these."""


@dataclass(frozen=True)
class Solution:
    """Fields of ports, in metres, V/m, A/m, peak, exp(+jwt), per root of a watt; then whatever a test does to them."""

    axes: tuple[np.ndarray, ...]
    E: np.ndarray
    H: np.ndarray
    conductivity: np.ndarray
    density: np.ndarray
    network: Network
    frequency_Hz: float = FREQUENCY

    def changed(
        self, E: float | complex = 1, H: float | complex = 1, *, conjugated: bool = False, order: str = "xyz"
    ) -> Solution:
        """Fields multiplied, conjugated, or with components in another order."""
        index = ["xyz".index(c) for c in order]
        parts = [a * f for a, f in ((self.E[:, index], E), (self.H[:, index], H))]
        parts = [p.conj() if conjugated else p for p in parts]
        return replace(self, E=parts[0], H=parts[1])

    def scaled(self, factor: float) -> Solution:
        return self.changed(factor, factor)

    def in_unit(self, metres: float) -> Solution:
        return replace(self, axes=tuple(a / metres for a in self.axes))


def mie(points: np.ndarray, port: int) -> tuple[np.ndarray, np.ndarray]:
    """E [V/m] and H [A/m] of the wave of a port, (3, n), for 1 V/m."""
    sphere = Sphere([RADIUS], [PERMITTIVITY - 1j * SIGMA / (2 * math.pi * FREQUENCY * EPS_0)], FREQUENCY)
    order = list(TURNS[port][0])
    E, B = sphere.fields(points[:, order])
    out = np.empty((2, 3, len(points)), complex)
    out[0, order], out[1, order] = E.T, B.T / MU_0
    return out[0], out[1]


def grid_points(axes: Any) -> np.ndarray:
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


@functools.cache
def power_matrix(ports: int) -> np.ndarray:
    """Power absorbed by pairs of waves of 1 V/m [W], by a fine sum over the ball."""
    step = RADIUS / 20
    axis = step * (np.arange(40) - 19.5)
    points = grid_points([axis] * 3)
    points = points[np.sum(points**2, axis=1) < RADIUS**2]
    E = np.stack([mie(points, p)[0] for p in range(ports)])
    volume = 4 / 3 * math.pi * RADIUS**3 / len(points)
    return 0.5 * SIGMA * volume * np.einsum("kcn,lcn->kl", E.conj(), E)


@functools.cache
def solution(ports: int = 2, positions: str = "points", shape: tuple[int, int, int] = SHAPE) -> Solution:
    """The closed form at points or on a lattice of Yee; by its S-parameters 80 % of the incident power is absorbed."""
    axes = tuple(STEP * (np.arange(n) - (n - 1) / 2) for n in shape)
    points = grid_points(axes)
    absorbed = power_matrix(ports)
    amplitude = math.sqrt(0.8 / np.linalg.eigvalsh(absorbed)[-1])
    E, H = (np.empty((ports, 3, *shape), complex) for _ in range(2))
    for port in range(ports):
        if positions == "points":
            e, h = mie(points, port)
            E[port], H[port] = e.reshape(3, *shape), h.reshape(3, *shape)
            continue
        for c in range(3):
            along = np.array([0.5 * STEP * (a == c) for a in range(3)])
            across = np.array([0.5 * STEP * (a != c) for a in range(3)])
            E[port, c] = mie(points + along, port)[0][c].reshape(shape)
            H[port, c] = mie(points + across, port)[1][c].reshape(shape)
    values, vectors = np.linalg.eigh(np.eye(ports) - amplitude**2 * absorbed)
    s = (vectors * np.sqrt(values)) @ vectors.conj().T  # S^H S = I - P
    network = Network([FREQUENCY], s[None], [f"port {n + 1}" for n in range(ports)])
    places = points + (0.5 * STEP if positions == "yee" else 0.0)
    inside = (np.sum(places**2, axis=1) < RADIUS**2).reshape(shape)
    return Solution(axes, amplitude * E, amplitude * H, SIGMA * inside, DENSITY * inside, network)


@functools.cache
def solved() -> tuple[Solution, em.Phantom, em.Fields]:
    """Three loops around a ball, solved on a lattice of Yee: per ampere, with a network that loses nothing else."""
    ball = em.phantoms.sphere(radius_m=RADIUS, spacing_m=STEP)
    coil = em.LoopArray(3, radius_m=0.09, length_m=0.1)
    fields = em.Vie().solve(em.Exposure(ball, coil, frequency_Hz=FREQUENCY))
    z = 2 * fields.power.absorbed_W.real + 1j * np.diag([20.0, 25.0, 30.0])
    network = Network.from_z(np.array([FREQUENCY]), z[None], fields.ports)
    axes = tuple(ball.grid.nodes(a) for a in range(3))
    # The maps hold for the cells between the points.
    maps = [np.pad(m, [(0, 1)] * 3).astype(float) for m in (ball.conductivity(FREQUENCY), ball.density)]
    return Solution(axes, np.array(fields.E), np.array(fields.B) / MU_0, *maps, network), ball, fields


def write_s(folder: Path, s: Solution) -> Path:
    return write_touchstone(s.network, folder / "network")


def write_plain(path: Path, s: Solution, **attributes: Any) -> Path:
    """The plain layout; arrays "B" or "H" by the attribute ``magnetic``."""
    with h5py.File(path, "w") as h5:
        for name, axis in zip("xyz", s.axes, strict=True):
            h5[name] = axis
        h5["E"], h5["B" if attributes.get("magnetic", "A/m") not in ("A/m", "kA/m") else "H"] = s.E, s.H
        h5["conductivity"], h5["density"] = s.conductivity, s.density
        h5.attrs["frequency_Hz"] = s.frequency_Hz
        for key, value in attributes.items():
            h5.attrs[key] = value
    return path


def write_cst(
    folder: Path, s: Solution, unit: str = "mm", magnetic_unit: str = "A/m", electric_unit: str = "V/m"
) -> list[Path]:
    """One file for every field and port, as CST exports them: coordinates in ``unit`` as they are given."""
    number = np.dtype([("re", "<f4"), ("im", "<f4")])
    vector = np.dtype([(c, number) for c in "xyz"])
    written = []
    for name, field, label in (("e", s.E, "E-Field"), ("h", s.H, "H-Field")):
        for port, values in enumerate(field):
            path = folder / f"{name}-field (f=128MHz) [AC{port + 1}].h5"
            table = np.empty(values.shape[:0:-1], vector)
            for n, c in enumerate("xyz"):
                table[c]["re"], table[c]["im"] = values[n].T.real, values[n].T.imag
            with h5py.File(path, "w") as h5:
                for n, c in enumerate("xyz"):
                    h5[f"Mesh line {c}"] = s.axes[n]
                    h5[f"Mesh line {c}"].attrs["unit"] = np.bytes_(unit + "\0")
                h5[label] = table
                h5[label].attrs["unit"] = np.bytes_((electric_unit if name == "e" else magnetic_unit) + "\0")
            written.append(path)
    return written


def write_hfss(folder: Path, s: Solution, unit: str = "mm") -> list[Path]:
    """Text of the field calculator, coordinates in metres, corners in ``unit``."""
    factor = {"mm": 1e3, "m": 1.0, "cm": 1e2}[unit]
    points = grid_points(s.axes)
    low, high = (" ".join(f"{factor * v:.9g}{unit}" for v in points[n]) for n in (0, -1))
    step = " ".join(f"{factor * (a[1] - a[0]):.9g}{unit}" for a in s.axes)
    written = []
    for name, field in (("E", s.E), ("H", s.H)):
        for port, values in enumerate(field):
            flat = values.reshape(3, -1).T
            rows = np.concatenate([points, np.stack([flat.real, flat.imag], axis=-1).reshape(-1, 6)], axis=1)
            path = folder / f"{name.lower()}field_128MHz_port{port + 1}.fld"
            head = f"Grid Output Min: [{low}] Max: [{high}] Grid Size: [{step}]\n"
            head += f'X, Y, Z, Vector data "<{name}x,{name}y,{name}z>"'
            np.savetxt(path, rows, fmt="%.9e", header=head, comments="")
            written.append(path)
    return written


def write_sim4life(folder: Path, s: Solution, *, cells: bool = True) -> list[Path]:
    """One .mat for every field and port, x fastest; axes of the corners of cells, or of points."""
    written = []
    axes = s.axes
    if cells:
        axes = tuple(np.append(a - 0.5 * (a[1] - a[0]), a[-1] + 0.5 * (a[1] - a[0])) for a in axes)
    for name, field in (("e", s.E), ("b", MU_0 * s.H)):
        for port, values in enumerate(field):
            path = folder / f"{name}field_port{port + 1}.mat"
            table = np.stack([v.ravel(order="F") for v in values], axis=1)
            savemat(path, {**{f"Axis{n}": a for n, a in enumerate(axes)}, "Snapshot0": table})
            written.append(path)
    return written


def write_openems(folder: Path, s: Solution) -> list[Path]:
    written = []
    for name, field in (("Ef", s.E), ("Hf", s.H)):
        for port, values in enumerate(field):
            path = folder / f"{name}_{port + 1}.h5"
            with h5py.File(path, "w") as h5:
                for c, axis in zip("xyz", s.axes, strict=True):
                    h5[f"Mesh/{c}"] = axis
                for part in ("real", "imag"):
                    h5[f"FieldData/FD/f0_{part}"] = getattr(values, part).transpose(0, 3, 2, 1).astype("f4")
                    h5[f"FieldData/FD/f0_{part}"].attrs["frequency"] = s.frequency_Hz
            written.append(path)
    return written


def write_cosimpy(path: Path, s: Solution, *, density: bool = True) -> Path:
    """The HDF5 file beside an .xmf: voxels of length 1; fields that are rms per root of a watt are the rule."""
    with h5py.File(path.with_suffix(".h5"), "w") as h5:
        nodes = np.meshgrid(*(np.arange(len(a) + 1.0) for a in s.axes), indexing="ij")
        for c, values in zip("XYZ", nodes, strict=True):
            h5[f"Mesh/Nodes_{c}"] = values.ravel(order="F")
        group = f"{int(s.frequency_Hz / 1e6)}_MHz"
        for port in range(len(s.E)):
            for name, field in (("E", s.E[port]), ("B", MU_0 * s.H[port])):
                for part in ("real", "imag"):
                    table = np.stack([getattr(v, part).ravel(order="F") for v in field], axis=1)
                    h5[f"{group}/Port_{port + 1}/{name}{part}"] = table
        h5["Properties/elCond"] = s.conductivity.ravel(order="F")
        if density:
            h5["Properties/massDensity"] = s.density.ravel(order="F")
    path.with_suffix(".xmf").write_text("<Xdmf/>\n")
    return path.with_suffix(".xmf")


def write_marie(folder: Path, s: Solution) -> list[Path]:
    """A solution (version 7.3: HDF5 behind 512 bytes, axes turned round) and the body that it is of (version 5)."""
    inside = s.conductivity > 0
    path = folder / "solution.mat"
    number = np.dtype([("real", "<f8"), ("imag", "<f8")])
    with h5py.File(path, "w", userblock_size=512) as h5:
        for name, field in (("e_field/Tx/e_b", s.E), ("h_field/Tx/h_b", s.H)):
            values = np.where(
                inside, field, 0
            )  # (port, 3, n1, n2, n3) is what MATLAB's (n1, n2, n3, 3, port) is in HDF5
            values = values.transpose(0, 1, 4, 3, 2)
            table = np.empty(values.shape, number)
            table["real"], table["imag"] = values.real, values.imag
            h5[f"solution/{name}"] = table
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    body = folder / "body.mat"
    r = np.stack(np.meshgrid(*s.axes, indexing="ij"), axis=-1)
    savemat(body, {"RHBM": {"r": r, "sigma_e": s.conductivity, "rho": s.density}})
    return [path, body]


def write_vtk(path: Path, s: Solution, **texts: str) -> Path:
    import pyvista

    grid = pyvista.RectilinearGrid(*s.axes)
    for name, field in (("E", s.E), ("H", s.H)):
        for port, values in enumerate(field):
            for part in ("real", "imag"):
                table = np.stack([getattr(v, part).ravel(order="F") for v in values], axis=1)
                grid.point_data[f"{name}_{part}_{port + 1}"] = table
    for name, values in (("conductivity", s.conductivity), ("density", s.density)):
        grid.point_data[name] = values.ravel(order="F")
    grid.field_data["frequency_Hz"] = [s.frequency_Hz]
    for key, value in texts.items():
        grid.field_data[key] = [value]
    grid.save(path)
    return path
