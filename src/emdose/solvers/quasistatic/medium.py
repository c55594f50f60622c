"""What conducts in a body: tissue with conductivity, admittivity or a tensor of it, and metal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emdose.checks import array, not_negative, unknown
from emdose.constants import EPS_0
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.implants.implant import Implant
from emdose.models.implants.implanted_body import implanted
from emdose.models.implants.surgery import Surgery
from emdose.solvers.quasistatic import network

METAL_CONTRAST = 1e4
"""Conductivity of metal over the largest of tissue: the dipole of a ball is 3e-4 short of a perfect conductor's."""
SIDES = 3
"""Voxels of metal of the four around a branch that make it metal; 1, 2, 3, 4 make the dipole of a ball of 6 voxels'
radius 21 and 10 % too large, 4 and 12 % too small."""
ANY_TOUCH = np.ones((3, 3, 3), bool)
"""Voxels that share a face, an edge or a corner conduct into each other: they share branches or a potential."""
PAIRS = ((0, 1), (0, 2), (1, 2))


class Medium:
    """The box of voxels that conduct, and what they are made of.

    Parameters
    ----------
    phantom : Phantom
        The body.
    frequency_Hz : float
        Frequency of the tissues' properties [Hz].
    displacement : bool
        Whether displacement currents count: sigma + j w eps in place of sigma.
    tensors : mapping of str to (3, 3) array
        Conductivity of tissues that have a tensor of it [S/m].
    implants, surgery
        Metal in the body, as in an exposure.

    Raises
    ------
    InputError
        When nothing conducts; for tensors that are none of a conductor, or of a tissue that is not there.
    """

    def __init__(
        self,
        phantom: Phantom,
        frequency_Hz: float,
        displacement: bool = False,
        tensors: Mapping[str, Any] | None = None,
        implants: Sequence[Implant] = (),
        surgery: Surgery | None = None,
    ) -> None:
        not_negative("frequency_Hz", frequency_Hz)
        self.implanted = implanted(phantom, implants, surgery) if implants else None
        self.phantom = phantom if self.implanted is None else self.implanted.phantom
        own = _conductivity(self.phantom, frequency_Hz, displacement)
        if not np.any(own):
            raise InputError(
                "nothing in this body conducts",
                field="phantom",
                found=f"conductivity 0 at {frequency_Hz:g} Hz everywhere",
                expected="tissue with a conductivity above 0 S/m",
            )
        metal = np.zeros(own.shape, bool) if self.implanted is None else np.asarray(self.implanted.metal)
        self.box = network.Box.around(phantom.grid, (own != 0) | metal)
        inner, metal = own[self.box.slices], metal[self.box.slices]
        self.held = np.flatnonzero(inner.reshape(-1))
        tensor = self._tensors(tensors or {})
        largest = float(max(np.abs(inner).max(), *(np.abs(t).max() for t in tensor.values()), 0.0))
        self.conductivity = inner
        self.conducts = (inner != 0) | metal
        """Voxels of the box that conduct, metal included."""
        self.across: np.ndarray | None = None
        if tensor:
            labels = self.phantom.labels[self.box.slices]
            each = np.repeat(inner[None], 3, axis=0)
            self.across = np.zeros(each.shape, inner.dtype)
            for label, matrix in tensor.items():
                there = (labels == label) & (inner != 0)
                for a in range(3):
                    each[a][there] = matrix[a, a] + 1j * inner[there].imag if displacement else matrix[a, a]
                for m, (a, b) in enumerate(PAIRS):
                    self.across[m][there] = matrix[a, b]
            self.conductivity = each
        single = np.iscomplexobj(inner) or self.across is not None
        # Rounded once, conductances are those of the whole problem: what is judged, in double, uses the same ones.
        kind = inner.dtype if single else np.float32
        self.g = network.conductances(self.box, self.conductivity, kind)
        if metal.any():
            self._add_metal(metal, METAL_CONTRAST * largest)
        self.exists = self.g != 0

    def _add_metal(self, metal: np.ndarray, conductivity: float) -> None:
        """Make branches metal.

        A branch is metal where at least :data:`SIDES` of its four voxels are, and so are those along an axis of a voxel
        of metal that has none along it: metal thinner than two voxels. Elsewhere voxels of metal count as the tissue of
        the others: with every branch that touches it, metal would be half a voxel too thick.
        """
        count: np.ndarray = np.zeros(self.g.shape, np.uint8)
        for axis in range(3):
            for edge in network.edges(axis):
                count[axis][edge] += metal
        made = count >= SIDES
        for axis in range(3):
            held = np.zeros(metal.shape, bool)
            for edge in network.edges(axis):
                held |= made[axis][edge]
            thin = metal & ~held
            for edge in network.edges(axis):
                made[axis][edge] |= thin
        shared = (count > 0) & ~made
        self.g[shared] *= (4 / (4 - count[shared])).astype(np.float32)
        h, volume = self.box.grid.spacing_m, self.box.grid.voxel_volume_m3
        for axis in range(3):
            self.g[axis][made[axis]] = conductivity * volume / h[axis] ** 2

    @property
    def kind(self) -> type:
        """Of potentials and currents: float or complex."""
        return complex if np.iscomplexobj(self.g) else float

    @property
    def is_plain(self) -> bool:
        """Whether it is real and the same along every axis."""
        return self.g.dtype == np.float32

    def flow(self, voltage: np.ndarray) -> np.ndarray:
        """Currents up the branches [A] from their voltages (3, corners) [V]."""
        out = self.g * voltage
        if self.across is not None:
            volume, h = self.box.grid.voxel_volume_m3, self.box.grid.spacing_m
            E = network.field_at_centres(self.box, voltage, voltage.dtype)
            J = np.zeros_like(E, np.result_type(E, self.across))
            for m, (a, b) in enumerate(PAIRS):
                J[a] += self.across[m] * E[b]
                J[b] += self.across[m] * E[a]
            for a in range(3):
                for edge in network.edges(a):
                    out[a][edge] += volume / (4 * h[a]) * J[a]
        return np.asarray(out)

    @property
    def magnitude(self) -> np.ndarray:
        """Real conductances about as large, (3, corners) float32: what the multigrid works on."""
        return self.g if self.is_plain else np.abs(self.g).astype(np.float32)

    @property
    def cells(self) -> np.ndarray:
        """Flat indices in the phantom's grid of the voxels of tissue that conduct."""
        index = np.stack(np.unravel_index(self.held, self.box.shape)) + np.asarray(self.box.low)[:, None]
        return np.ravel_multi_index(tuple(index), self.phantom.grid.shape).astype(np.int64)

    def parts(self) -> np.ndarray:
        """Which connected conductor each of them belongs to, from 0."""
        from scipy import ndimage

        found = np.asarray(ndimage.label(self.conducts, structure=ANY_TOUCH)[0])
        return (found.reshape(-1)[self.held] - 1).astype(np.int32)

    def of_cells(self) -> np.ndarray:
        """Conductivity or admittivity of each of them; of tensors a third of the trace [S/m]."""
        mean = self.conductivity.mean(axis=0) if self.across is not None else self.conductivity
        own = mean.reshape(-1)[self.held]
        return own.astype(np.complex64 if np.iscomplexobj(own) else np.float32)

    def _tensors(self, given: Mapping[str, Any]) -> dict[int, np.ndarray]:
        """The tensors by label."""
        names, found = [t.name for t in self.phantom.tissues], {}
        for name, value in given.items():
            if name not in names:
                raise unknown("no such tissue in the body", name, names, field="tensors")
            matrix = array(f"tensors[{name}]", value, (3, 3))
            if not np.allclose(matrix, matrix.T) or not np.linalg.eigvalsh(matrix).min() > 0:
                raise InputError(
                    "not the conductivity of anything",
                    field=f"tensors[{name}]",
                    found=np.array2string(matrix, precision=3).replace("\n", ""),
                    expected="a symmetric matrix with positive eigenvalues [S/m]",
                )
            found[names.index(name)] = matrix
        return found


def _conductivity(phantom: Phantom, frequency_Hz: float, displacement: bool) -> np.ndarray:
    """sigma, or sigma + j w eps [S/m], of every voxel of a body; zero in air."""
    sigma = np.asarray(phantom.conductivity(frequency_Hz), float)
    if displacement:
        sigma = sigma + 2j * np.pi * frequency_Hz * EPS_0 * np.asarray(phantom.permittivity(frequency_Hz), float)
    return np.where(phantom.body, sigma, 0)
