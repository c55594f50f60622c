"""Gradient EPT: properties and their gradients from five or more transmit channels, without assumption on the phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.constants import EPS_0, MU_0
from emdose.ept.local.masked_fit import masked_fit
from emdose.ept.local.savitzky_golay import SavitzkyGolay, radii
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.errors import ConvergenceError, InputError

CHANNELS = 5
SEED_WEIGHT = 1e3
LEAST_REGULARISATION = 1e-3
DIRECT_VOXELS = 20_000
ITERATIONS = 5000
TOLERANCE = 1e-6
ROBUST_STEPS = 8
HUBER = 1.5
SILENT = 1e-4
SILENT_SPREAD = 10.0
CONDITION = 1e-10
"""Local systems whose squared condition is worse give no value."""


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


@dataclass(frozen=True)
class Gradient:
    """Gradient EPT for parallel transmission.

    The channels share an unknown phase phi0 (that of the receiver and of the reference). With B_i the measured maps
    less a reference phase, Maxwell's equations (negligible gradient of Bz) say for every channel i

        lap B_i = theta B_i - 2 j grad(phi0) . grad(B_i) + g (dx - j dy) B_i + g_z dz B_i,

    with g = (dx + j dy) ln eps_c, g_z = dz ln eps_c. The local step solves these for grad(phi0), g, g_z and theta voxel
    by voxel; then w^2 mu0 eps_c = |grad(phi0)|^2 - j lap(phi0) + j g (dx - j dy) phi0 + j g_z dz phi0 - theta. The
    global step finds ln eps_c from its gradient and these local values together, both weighted by their scatter, with
    Huber weights on top, and from seeds.

    Parameters
    ----------
    volume : bool
        False: every slice by itself, nothing varies along z. True: the whole volume.
    slices : sequence of int, optional
        Slices to reconstruct when ``volume`` is False; by default all with a mask.
    kernel, radius, degree :
        Window of the local fits, see :class:`~emdose.ept.local.savitzky_golay.SavitzkyGolay`.
    local_only : bool
        Stop after the local step.
    seeds : sequence of Seed
        Voxels that are known.
    regularisation : float
        Weight of the local values against the gradients; 1 is the statistical weight. Values below 1e-3 count as 1e-3:
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
        if not 0 <= self.regularisation <= 1e6:
            raise InputError("out of range", field="regularisation", found=self.regularisation, expected="0 to 1e6")
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
        kernel = SavitzkyGolay(self.kernel, radii(self.radius), self.degree, b1.grid.spacing_m)
        local = self._local(be, b1, kernel)
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
        return PropertyMap(
            grid=b1.grid,
            frequency_Hz=b1.frequency_Hz,
            conductivity=sigma,
            permittivity=permittivity,
            flags=flags,
            method="gradient",
            settings={**asdict(self), "channels": b1.channels, "cost": cost},
            affine=b1.affine,
            axis_codes=b1.axis_codes,
        )

    def local_gradient(self, b1: B1Map, device: str = "auto") -> Mapping[str, np.ndarray]:
        """Result of the local step: "g" [1/m], "g_z" [1/m] (with ``volume``) and "eps_c" [F/m], complex maps."""
        kernel = SavitzkyGolay(self.kernel, radii(self.radius), self.degree, b1.grid.spacing_m)
        local = self._local(backend.get(device), b1, kernel)
        return {"g": local.g, **({"g_z": local.g_z} if self.volume else {}), "eps_c": np.exp(local.k)}

    def _local(self, be: Backend, b1: B1Map, kernel: SavitzkyGolay) -> _Local:
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
        fields = _relative_fields(b1)
        regions = b1.mask.astype(np.int32)
        rows = [
            be.to_numpy(
                masked_fit(
                    be, kernel, (0, 1, 2, 3, 4), be.asarray(np.stack([f.real, f.imag])), regions, wanted=wanted
                ).value
            )[..., wanted]
            for f in fields
        ]
        values = np.stack([r[0] + 1j * r[1] for r in rows])  # (channel, row, voxel)
        x, spread = _solve_local(values, _weights(b1, wanted), self.volume)
        theta, g = x[:, 0] + 1j * x[:, 1], x[:, 2] + 1j * x[:, 3]
        slope, g_z, u_gz = x[:, 4:6], np.full(len(x), np.nan + 0j), np.full(len(x), np.nan)
        if self.volume:
            slope, g_z, u_gz = x[:, 4:7], x[:, 7] + 1j * x[:, 8], np.sqrt(spread[:, 7] + spread[:, 8])
        curvature, ok = _divergence(be, kernel, slope, wanted)
        turn = slope[:, 0] - 1j * slope[:, 1]
        square = (slope**2).sum(axis=1) - 1j * curvature + 1j * g * turn - theta
        if self.volume:
            square = square + 1j * g_z * slope[:, 2]
        with np.errstate(invalid="ignore", divide="ignore"):
            eps = square / (b1.angular_frequency**2 * MU_0)
            bad = ~np.isfinite(eps) | ~ok | (eps.real <= 0)  # no logarithm to start from
            # the scatter of theta is taken as that of w^2 mu0 eps_c
            u_k = np.sqrt(spread[:, 0] + spread[:, 1]) / np.abs(square)

        def put(numbers: np.ndarray, keep: np.ndarray) -> np.ndarray:
            out = np.full(b1.grid.shape, np.nan, numbers.dtype)
            out[wanted] = np.where(keep, numbers, np.nan)
            return out

        fine = np.isfinite(x).all(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            k = np.log(eps)
        u_g = np.sqrt(spread[:, 2] + spread[:, 3])
        return _Local(put(k, ~bad), put(g, fine), put(g_z, fine), put(u_k, ~bad), put(u_g, fine), put(u_gz, fine))

    def _global(self, b1: B1Map, local: _Local) -> tuple[np.ndarray, float]:
        k = np.full(b1.grid.shape, np.nan, complex)
        seeds = np.full(b1.grid.shape, np.nan, complex)
        for s in self.seeds:
            seeds[tuple(s.voxel)] = np.log(s.permittivity * EPS_0 - 1j * s.conductivity / b1.angular_frequency)
        weight = max(self.regularisation, LEAST_REGULARISATION)
        parts: list[Any] = [np.s_[:, :, :]]
        if not self.volume:
            parts = [np.s_[:, :, s : s + 1] for s in np.flatnonzero(np.isfinite(local.k).any(axis=(0, 1)))]
        costs = []
        for part in parts:
            k[part], cost = _integrate(local.part(part), seeds[part], weight, b1.grid.spacing_m, self.volume)
            costs.append(cost)
        return k, float(np.mean(costs))


@dataclass(frozen=True)
class _Local:
    """ln eps_c, its gradients, and their standard deviations, NaN where there are none."""

    k: np.ndarray
    g: np.ndarray
    g_z: np.ndarray
    u_k: np.ndarray
    u_g: np.ndarray
    u_gz: np.ndarray

    def part(self, place: Any) -> _Local:
        return _Local(*(getattr(self, n)[place] for n in ("k", "g", "g_z", "u_k", "u_g", "u_gz")))


def _relative_fields(b1: B1Map) -> np.ndarray:
    """The channels with a reference phase taken off that is the same for all, 0 outside the mask.

    Reference is the sum of the channels, aligned so that they add up. Any phase would do; this one is strong nearly
    everywhere, and the noise of any channel has a small part in it.
    """
    assert b1.mask is not None
    field = np.where(b1.mask, b1.magnitude * np.exp(1j * np.where(b1.mask, b1.phase, 0)), 0)  # type: ignore[operator,arg-type]
    relative = field * field[0].conj()
    total = np.tensordot(np.exp(-1j * np.angle(relative.sum(axis=(1, 2, 3)))), field, axes=1)
    return field * (total / np.where(total == 0, 1, np.abs(total))).conj()


def _weights(b1: B1Map, wanted: np.ndarray) -> np.ndarray:
    """Weight (channel, voxel) of the equations: one over the noise of the channel, in any unit."""
    magnitude = b1.magnitude[:, wanted]  # type: ignore[index]
    if b1.u_magnitude is None and b1.u_phase is None:
        return np.ones(magnitude.shape)
    variance = np.zeros(magnitude.shape)
    for u, factor in ((b1.u_magnitude, 1.0), (b1.u_phase, magnitude)):
        if u is not None:
            variance = variance + (factor * np.broadcast_to(u, b1.grid.shape)[wanted]) ** 2
    with np.errstate(divide="ignore"):
        weight = 1 / np.sqrt(variance)
    return np.where(np.isfinite(weight), weight / np.median(weight), 0.0)


def _solve_local(values: np.ndarray, weight: np.ndarray, volume: bool) -> tuple[np.ndarray, np.ndarray]:
    """Unknowns (voxel, n) theta, g, grad(phi0), g_z as real numbers, and their variances from the residuals."""
    b, dx, dy, dz, lap = (values[:, r].T * weight.T for r in range(5))  # (voxel, channel)
    slope = dx - 1j * dy
    columns = [b, 1j * b, slope, 1j * slope, -2j * dx, -2j * dy]
    if volume:
        columns += [-2j * dz, dz, 1j * dz]
    a = np.stack(columns, axis=-1)
    a = np.concatenate([a.real, a.imag], axis=1)
    rhs = np.concatenate([lap.real, lap.imag], axis=1)
    ok = np.isfinite(a).all(axis=(1, 2)) & np.isfinite(rhs).all(axis=1)
    a[~ok], rhs[~ok] = 0, 0
    scale = np.sqrt((a**2).sum(axis=1))
    # Fields that do not vary along z say nothing about changes along z: those unknowns stay 0, with no weight.
    silent = np.zeros(scale.shape, bool)
    silent[:, 6:] = scale[:, 6:] < SILENT * scale[:, 2:3]
    ok &= (scale[:, :6] > 0).all(axis=1)
    scale[(scale == 0) | silent] = 1
    a = np.where(silent[:, None], 0, a / scale[:, None])
    normal = np.einsum("vri,vrj->vij", a, a)
    n = normal.shape[-1]
    normal += np.einsum("vi,ij->vij", silent, np.eye(n))
    ok &= np.linalg.eigvalsh(normal)[:, 0] > CONDITION
    normal[~ok] = np.eye(n)
    inverse = np.linalg.inv(normal)
    x = np.einsum("vij,vrj,vr->vi", inverse, a, rhs)
    residual = ((rhs - np.einsum("vri,vi->vr", a, x)) ** 2).sum(axis=1) / (a.shape[1] - n)
    # few degrees of freedom: a lucky voxel must not count without bound
    residual = np.maximum(residual, 0.1 * np.median(residual[ok])) if ok.any() else residual
    spread = residual[:, None] * np.einsum("vii->vi", inverse) / scale**2
    x, spread = x / scale, np.where(ok[:, None], np.where(silent, np.inf, spread), np.nan)
    x[~ok] = np.nan
    return x, spread


def _divergence(be: Backend, kernel: SavitzkyGolay, slope: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, Any]:
    """Divergence of grad(phi0), by fits to its components."""
    good = np.isfinite(slope).all(axis=1)
    regions = np.zeros(wanted.shape, np.int32)
    regions[wanted] = good
    total = np.zeros(len(slope))
    flat = SavitzkyGolay("cuboid", kernel.radius, 2, kernel.spacing_m)
    for axis in range(slope.shape[1]):
        image = np.zeros(wanted.shape)
        image[wanted] = np.where(good, slope[:, axis], 0)
        if slope.shape[1] == 2:  # slices stand by themselves: a fit in the plane
            total += _in_plane_slope(image, regions > 0, axis, kernel)[wanted]
        else:
            fit = masked_fit(be, flat, (1 + axis,), be.asarray(image[None]), regions)
            total += be.to_numpy(fit.value)[0, 0][wanted]
    return total, np.isfinite(total) & good


def _in_plane_slope(image: np.ndarray, mask: np.ndarray, axis: int, kernel: SavitzkyGolay) -> np.ndarray:
    """First derivative by a plane fitted in the window of a slice, inside the mask."""
    from scipy.ndimage import correlate

    rx, ry = kernel.radius[:2]
    x, y = np.meshgrid(np.arange(-rx, rx + 1.0), np.arange(-ry, ry + 1.0), indexing="ij")
    basis = [np.ones_like(x), x * kernel.spacing_m[0], y * kernel.spacing_m[1]]

    def summed(values: np.ndarray, taps: np.ndarray) -> np.ndarray:
        return correlate(values, taps[:, :, None], mode="constant")

    normal = np.stack([np.stack([summed(mask.astype(float), p * q) for q in basis], -1) for p in basis], -2)
    rhs = np.stack([summed(np.where(mask, image, 0), p) for p in basis], -1)
    ok = mask & (normal[..., 0, 0] >= 6)
    out = np.full(image.shape, np.nan)
    d = kernel.spacing_m
    unit = np.diag([1.0, 1 / d[0], 1 / d[1]])
    scaled = unit @ normal[ok] @ unit
    found = np.linalg.solve(scaled + 1e-12 * np.eye(3), (rhs[ok] @ unit)[..., None])[..., 0]
    out[ok] = found[:, 1 + axis] / d[axis]
    return out


def _integrate(
    local: _Local, seeds: np.ndarray, regularisation: float, spacing_m: Sequence[float], volume: bool
) -> tuple[np.ndarray, float]:
    """ln eps_c from its gradients, its local values and seeds by weighted least squares."""
    import scipy.sparse as sp

    have = np.isfinite(local.k) & np.isfinite(local.u_k)
    known = np.isfinite(seeds)
    inside = _anchored(np.isfinite(local.g), have | known)
    have, known = have & inside, known & inside
    number = np.full(inside.shape, -1)
    n = int(inside.sum())
    number[inside] = np.arange(n)
    typical = float(np.nanmedian(local.u_k)) or 1.0

    def differences(step: int, axes: Sequence[int]) -> tuple[np.ndarray, list[Any]]:
        ends, ok = [], inside.copy()
        for a in axes:
            other = np.roll(number, -step, a)
            edge = [slice(None)] * 3
            edge[a] = slice(-1, None) if step > 0 else slice(0, 1)
            other[tuple(edge)] = -1
            ends.append(other)
            ok &= other >= 0
        m, here = int(ok.sum()), number[ok]
        rows, ones = np.arange(m), np.ones(m)
        found = [
            sp.csr_matrix(
                (np.r_[ones, -ones] * step / spacing_m[a], (np.r_[rows, rows], np.r_[e[ok], here])), shape=(m, n)
            )
            for a, e in zip(axes, ends, strict=True)
        ]
        return ok, found

    blocks, rhs = [], []
    for step in (1, -1):
        ok, (along_x, along_y) = differences(step, (0, 1))
        weight = typical / local.u_g[ok]
        blocks.append(sp.diags(weight) @ (along_x + 1j * along_y))
        rhs.append(weight * local.g[ok])
        if volume:
            ok, (along_z,) = differences(step, (2,))
            # Fields that do not vary along z: neither do the properties, said weakly.
            weight = typical / np.minimum(local.u_gz, SILENT_SPREAD * local.u_g)[ok]
            blocks.append(sp.diags(weight) @ along_z)
            rhs.append(weight * local.g_z[ok])
    for place, values, weight in (
        (have, local.k, regularisation * typical / np.maximum(local.u_k, 1e-300)),
        (known, seeds, np.full(inside.shape, SEED_WEIGHT)),
    ):
        m = int(place.sum())
        pick = sp.csr_matrix((np.ones(m), (np.arange(m), number[place])), shape=(m, n))
        blocks.append(sp.diags(weight[place]) @ pick)
        rhs.append(weight[place] * values[place])
    matrix, right = sp.vstack(blocks).tocsr(), np.concatenate(rhs)
    trust, x, size = np.ones(right.size), np.zeros(n, complex), np.ones(right.size)
    for _ in range(ROBUST_STEPS):
        weighted = sp.diags(trust) @ matrix
        x = _solve_normal(
            (weighted.conj().T @ weighted + 1e-12 * sp.eye(n)).tocsc(), weighted.conj().T @ (trust * right)
        )
        size = np.abs(matrix @ x - right)
        size[right.size - int(known.sum()) :] = 0
        # Huber weights: what a window over a boundary tells about the gradient is not Gaussian.
        trust = np.sqrt(1 / np.maximum(size / max(HUBER * float(np.median(size)), 1e-300), 1))
    out = np.full(inside.shape, np.nan, complex)
    out[inside] = x
    return out, float(np.sqrt(np.mean(size**2)))


def _anchored(inside: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """The connected parts that hold a voxel with a value."""
    from scipy.ndimage import label

    parts, _ = label(inside)
    return inside & np.isin(parts, np.unique(parts[inside & fixed]))


def _solve_normal(normal: Any, rhs: np.ndarray) -> np.ndarray:
    import scipy.sparse as sp
    from scipy.sparse.linalg import cg, splu

    if normal.shape[0] <= DIRECT_VOXELS:
        options = {"SymmetricMode": True}
        return splu(normal, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve(rhs)
    jacobi = sp.diags(1 / normal.diagonal())
    x, left = cg(normal, rhs, rtol=TOLERANCE, maxiter=ITERATIONS, M=jacobi)
    if left:
        reached = float(np.linalg.norm(normal @ x - rhs) / np.linalg.norm(rhs))
        raise ConvergenceError(
            f"global step of gradient EPT: residual {reached:.2g} after {ITERATIONS} iterations, "
            f"wanted {TOLERANCE:g}; raise the regularisation",
            partial=x,
        )
    return x
