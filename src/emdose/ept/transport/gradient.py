"""Gradient EPT: properties and their gradients from five or more transmit channels, without assumption on the phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from emdose.checks import within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.constants import EPS_0, MU_0
from emdose.ept.judging.second_look import SecondLooks
from emdose.ept.local.masked_fit import masked_fit
from emdose.ept.local.plausibility import DISPERSION_HZ, LARGEST_CONDUCTIVITY, LARGEST_PERMITTIVITY
from emdose.ept.local.savitzky_golay import SavitzkyGolay, radii, radii_within
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap, StatedCheck
from emdose.ept.transport.gradient_global import integrate
from emdose.ept.transport.gradient_local import (
    LocalStep,
    divergence,
    left_out_by_slices,
    relative_fields,
    solve_local,
    weights,
)
from emdose.ept.transport.gradient_phase import along_z
from emdose.ept.transport.looks import of_gradient
from emdose.errors import InputError
from emdose.validity import Measure
from emdose.values import read_only

CHANNELS = 5
SIGNIFICANT = 3.0
"""Power of the slopes along z, over that of their noise, from which on they are believed: noise alone has 1 +- 0.4."""


@read_only
@dataclass(frozen=True)
class Seed:
    """A voxel whose properties are known.

    Parameters
    ----------
    voxel : (int, int, int)
        Index (x, y, z).
    conductivity, permittivity : float
        Conductivity [S/m] and relative permittivity there.
    """

    voxel: tuple[int, int, int]
    conductivity: float
    permittivity: float


@read_only
@dataclass(frozen=True)
class Gradient:
    """Gradient EPT for parallel transmission.

    The channels share an unknown phase phi0 (that of the receiver and of the reference). With B_i the measured maps
    less a reference phase, Maxwell's equations (negligible gradient of Bz) say for every channel i

        lap B_i = theta B_i - 2 j grad(phi0) . grad(B_i) + g (dx - j dy) B_i + g_z dz B_i,

    with g = (dx + j dy) ln eps_c, g_z = dz ln eps_c. The local step solves these for dx phi0, dy phi0, g, theta and, in
    a volume, the sum g_z - 2 j dz phi0 voxel by voxel; in a volume phi0 is then integrated from its slopes. With all,
    w^2 mu0 eps_c = |grad(phi0)|^2 - j lap(phi0) + j g (dx - j dy) phi0 + j g_z dz phi0 - theta. The global step finds
    ln eps_c from its gradient and these local values together, both weighted by their scatter, with Huber weights on
    top, and from seeds.

    Parameters
    ----------
    volume : bool
        False: every slice by itself, as if nothing varied along z; what that leaves out is judged where windows reach
        over slices (threshold ``ept_along_z``). True: the whole volume, at least twice the radius and one slices; the
        slope of phi0 along z then comes from its integration, in which the loss angle does not change along z in most
        voxels.
    slices : sequence of int, optional
        Slices to reconstruct when ``volume`` is False; by default all with a mask.
    kernel, radius, degree :
        Window of the local fits, see :class:`~emdose.ept.local.savitzky_golay.SavitzkyGolay`.
    local_only : bool
        Stop after the local step.
    seeds : sequence of Seed
        Voxels that are known; they keep their values exactly.
    regularisation : float
        Weight of the local values against the gradients; 1 is the statistical weight. A floor of 1e-3 is always there:
        g alone leaves every holomorphic function of x + j y open.

    Notes
    -----
    Source: J. Liu et al., Magn. Reson. Med. 74 (2015) 185-195; IEEE Trans. Biomed. Eng. 64 (2017) 2515-2530.

    Raises
    ------
    InputError
        For settings out of range.
    """

    volume: bool = False
    slices: Sequence[int] | None = None
    kernel: str = "cuboid"
    radius: int | tuple[int, int, int] = 2
    degree: int = 2
    local_only: bool = False
    seeds: Sequence[Seed] = ()
    regularisation: float = 1.0

    def __post_init__(self) -> None:
        radii(self.radius)
        within("regularisation", self.regularisation, 0, 1e6)
        for seed in self.seeds:
            if seed.conductivity < 0 or seed.permittivity < 1:
                raise InputError(
                    "seed out of range",
                    field="seeds",
                    found=(seed.conductivity, seed.permittivity),
                    expected="a conductivity >= 0 and a relative permittivity >= 1",
                )

    def reconstruct(self, b1: B1Map, device: str = "auto") -> PropertyMap:
        """Conductivity and permittivity.

        Parameters
        ----------
        b1 : B1Map
            Magnitude and phase (as measured with one receiver, or of B1+ itself) of at least five channels.
        device : {"auto", "cpu", "cuda"}
            Where the local fits are computed.

        Raises
        ------
        InputError
            For fewer channels, missing maps, a seed outside, or a mask that leaves no voxel.
        ConvergenceError
            When the global step of a volume does not reach its tolerance.
        """
        if b1.channels < CHANNELS:
            raise InputError(
                "gradient EPT needs several transmit channels",
                file=b1.source,
                found=b1.channels,
                expected=f"at least {CHANNELS}",
            )
        if b1.magnitude is None or b1.phase is None:
            missing = "magnitude" if b1.magnitude is None else "phase"
            raise InputError(f"no {missing}", file=b1.source, field=missing, expected="magnitude and phase")
        be = backend.get(device)
        local = self._local(be, b1, self._window(b1))
        if not np.isfinite(local.k).any():
            raise InputError("no voxel has enough neighbours inside the mask", field="radius", found=self.radius)
        for seed in self.seeds:
            if (
                len(seed.voxel) != 3
                or not all(0 <= i < n for i, n in zip(seed.voxel, b1.grid.shape, strict=True))
                or (not np.isfinite(local.k[tuple(seed.voxel)]))
            ):
                raise InputError("seed outside the reconstruction", field="seeds", found=tuple(seed.voxel))
        k, cost = local.k, 0.0
        if not self.local_only:
            k, cost = self._global(b1, local)
        assert b1.mask is not None
        there = np.isfinite(k)
        value = np.where(there, np.exp(k), complex(np.nan, np.nan))
        sigma, permittivity = -value.imag * b1.angular_frequency, value.real / EPS_0
        flags = np.zeros(b1.grid.shape, np.uint8)
        flags[~b1.mask] |= np.uint8(Flag.OUTSIDE)
        flags[b1.mask & ~there] |= np.uint8(Flag.NO_FIT)
        with np.errstate(invalid="ignore"):
            flags[there & ((sigma < 0) | (permittivity < 1))] |= np.uint8(Flag.UNPHYSICAL)
        found = PropertyMap(
            grid=b1.grid,
            frequency_Hz=b1.frequency_Hz,
            conductivity=sigma,
            permittivity=permittivity,
            flags=flags,
            method="gradient",
            settings={**asdict(self), "channels": b1.channels, "cost": cost},
            data=_check(sigma[there], permittivity[there], b1.frequency_Hz, local, not self.local_only),
            affine=b1.affine,
            axis_codes=b1.axis_codes,
        )
        return replace(found, bias_estimate=self.second_looks(b1, found, device))

    def second_looks(self, b1: B1Map, found: PropertyMap, device: str = "auto") -> SecondLooks:
        """Bias of means over regions of ``found``, estimated when it is asked for."""
        return of_gradient(self, b1, found, device)

    def local_gradient(self, b1: B1Map, device: str = "auto") -> Mapping[str, np.ndarray]:
        """Result of the local step: "g" [1/m], "g_z" [1/m] (with ``volume``) and "eps_c" [F/m], complex maps."""
        local = self._local(backend.get(device), b1, self._window(b1))
        return {"g": local.g, **({"g_z": local.g_z} if self.volume else {}), "eps_c": np.exp(local.k)}

    def _window(self, b1: B1Map) -> SavitzkyGolay:
        radius = radii_within(self.radius, b1.grid.shape)
        if 0 in radius[:2]:
            raise InputError(
                "gradient EPT needs the slopes in the plane across the static field",
                file=b1.source,
                field="radius",
                found=radius,
                expected="half-widths above 0 along x and y, and more than one voxel there",
            )
        return SavitzkyGolay(self.kernel, radius, self.degree, b1.grid.spacing_m)

    def _local(self, be: Backend, b1: B1Map, kernel: SavitzkyGolay) -> LocalStep:
        assert b1.mask is not None
        wanted = b1.mask.copy()
        if not self.volume and self.slices is not None:
            wanted[:] = False
            try:
                for s in self.slices:
                    # the second derivative of phi0 along z is not needed, so the slices stand by themselves
                    wanted[:, :, s] = b1.mask[:, :, s]
            except IndexError:
                raise InputError("no such slice", field="slices", found=tuple(self.slices)) from None
        told = kernel.radius[2] > 0  # windows of one slice know nothing along z
        deep = self.volume and told
        fields = relative_fields(b1)
        regions = b1.mask.astype(np.int32)
        rows, quiet = [], np.zeros((2, int(wanted.sum())))
        for f in fields:
            images = be.asarray(np.stack([f.real, f.imag]))
            fit = masked_fit(be, kernel, (0, 1, 2, 3, 4), images, regions, wanted=wanted)
            row = be.to_numpy(fit.value)[..., wanted]
            rows.append(row)
            if not told:
                continue
            residual, gain = (be.to_numpy(v)[..., wanted] for v in (fit.residual, fit.gain))
            freedom = be.to_numpy(fit.freedom)[wanted] if np.ndim(fit.freedom) else fit.freedom
            with np.errstate(invalid="ignore", divide="ignore"):
                # The slope along z against the scatter of the data around the fit (row pair 12 is that of dz itself).
                quiet += row[0, 3] ** 2 + row[1, 3] ** 2, gain[0, 12] * (residual[0] + residual[2]) / freedom
        values = np.stack([r[0] + 1j * r[1] for r in rows])  # (channel, row, voxel)
        if told:
            values[:, 3, ~(quiet[0] > SIGNIFICANT * quiet[1])] = 0
        x, spread = solve_local(values, weights(b1, wanted), deep)
        theta, g, slope, u_slope = x[:, 0] + 1j * x[:, 1], x[:, 2] + 1j * x[:, 3], x[:, 4:6], np.sqrt(spread[:, 4:6])
        turn = slope[:, 0] - 1j * slope[:, 1]
        u_g = np.sqrt(spread[:, 2] + spread[:, 3])
        g_z, u_gz = np.zeros(len(x), complex), np.full(len(x), np.inf)
        if deep:
            along, u_gz = x[:, 6] + 1j * x[:, 7], np.sqrt(spread[:, 6] + spread[:, 7])
            up, laplacian = along_z(be, kernel, slope, u_slope, along, np.sqrt(spread[:, 7]), wanted)
            g_z = np.where(np.isinf(u_gz), 0, along + 2j * up)
            slope = np.column_stack([slope, up])
        curvature, variance, ok = divergence(kernel, slope, wanted)
        if deep:
            # Near the ends of the stack too few slices know dz phi0.
            curvature, ok = np.where(ok, curvature, laplacian), ok | np.isfinite(laplacian)
            variance = np.where(np.isfinite(variance), variance, np.nanmax(variance, initial=0))
        square = (slope**2).sum(axis=1) - 1j * curvature + 1j * g * turn - theta
        # The scatter of theta is taken as that of w^2 mu0 eps_c; in the small windows of a slice that alone does best.
        u_square = spread[:, 0] + spread[:, 1]
        if deep:
            square = square + 1j * g_z * slope[:, 2]
            u_square = u_square + variance + (np.abs(turn) * u_g) ** 2
            u_square = u_square + (slope[:, 2] * np.where(np.isinf(u_gz), 0, u_gz)) ** 2
            # Where phi0 has no slope along z, at the ends of the stack, g is known nevertheless.
            g_z, u_gz = np.where(np.isfinite(g_z), g_z, 0), np.where(np.isfinite(g_z), u_gz, np.inf)
        with np.errstate(invalid="ignore", divide="ignore"):
            eps = square / (b1.angular_frequency**2 * MU_0)
            bad = ~np.isfinite(eps) | ~ok | (eps.real <= 0)  # no logarithm to start from
            k, u_k = np.log(eps), np.sqrt(u_square) / np.abs(square)
            u_theta = np.sqrt(spread[:, 0] + spread[:, 1]) / np.abs(square)
        left_out = left_out_by_slices(values, weights(b1, wanted), square) if told and not deep else None
        fine = np.isfinite(x).all(axis=1)

        def put(numbers: np.ndarray, keep: np.ndarray) -> np.ndarray:
            out = np.full(b1.grid.shape, np.nan, numbers.dtype)
            out[wanted] = np.where(keep, numbers, np.nan)
            return out

        of_k, of_g = (put(v, ~bad) for v in (k, u_k, u_theta)), (put(v, fine) for v in (g, g_z, u_g, u_gz))
        (k, u_k, u_theta), (g, g_z, u_g, u_gz) = of_k, of_g
        return LocalStep(k, g, g_z, u_k, u_g, u_gz, u_theta, left_out)

    def _global(self, b1: B1Map, local: LocalStep) -> tuple[np.ndarray, float]:
        k = np.full(b1.grid.shape, np.nan, complex)
        seeds = np.full(b1.grid.shape, np.nan, complex)
        for s in self.seeds:
            seeds[tuple(s.voxel)] = np.log(s.permittivity * EPS_0 - 1j * s.conductivity / b1.angular_frequency)
        parts: list[Any] = [np.s_[:, :, :]]
        if not self.volume:
            parts = [np.s_[:, :, s : s + 1] for s in np.flatnonzero(np.isfinite(local.k).any(axis=(0, 1)))]
        costs = []
        for part in parts:
            k[part], cost = integrate(
                local.part(part), seeds[part], self.regularisation, b1.grid.spacing_m, self.volume
            )
            costs.append(cost)
        return k, float(np.mean(costs))


def _check(
    sigma: np.ndarray, permittivity: np.ndarray, frequency_Hz: float, local: LocalStep, whole: bool
) -> StatedCheck:
    """What the values, the local step and, when ``whole``, the global one say of themselves."""
    measures, hint = [], ""
    if sigma.size:
        # Noise drives the global step far beyond matter.
        most = LARGEST_PERMITTIVITY * max(1.0, DISPERSION_HZ / frequency_Hz)
        beyond = max(abs(float(np.median(sigma))) / LARGEST_CONDUCTIVITY, float(np.median(permittivity)) / most)
        hint = "noise outweighs the second derivatives: choose a larger radius" if beyond > 1 else ""
        measures.append(Measure("ept_matter", beyond, hint=hint))
    scatter = local.u_k[np.isfinite(local.u_k)]
    if whole and scatter.size:
        measures.append(Measure("ept_noise", float(np.median(scatter))))
    if local.left_out is not None:
        measures.append(Measure("ept_along_z", local.left_out))
    return StatedCheck(tuple(measures), hint)
