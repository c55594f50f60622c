"""Convection-reaction EPT with artificial diffusion: finite volumes and prescribed values at the rim, as in EPTlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.constants import EPS_0, MU_0
from emdose.ept.local.plausibility import plausibility
from emdose.ept.local.savitzky_golay import SavitzkyGolay, monomials
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.ept.transport.boundary import boundary_maps
from emdose.ept.transport.options import ConvectionReactionOptions
from emdose.ept.transport.planes import PlaneMultigrid
from emdose.errors import ConvergenceError, InputError

REFINEMENTS = 4
"""Of the direct solution of a slice."""
RESTART, CYCLES = 60, 8
"""Steps between restarts of GMRES in a volume, and how often it may start."""
APPROACHES = 2
"""The goal of GMRES follows from the size of the solution, which one multigrid cycle may set far too high."""
TOLERANCE = 1e-12
"""Largest backward error, norm(r) / (norm(A) norm(x) + norm(b)).

The residual against the drive alone is no measure: in double precision it cannot fall below 1e-16 norm(A) norm(x), up
to 1e-6 of the drive where the equations are ill-conditioned, however well they are solved.
"""
UNDETERMINED = 100.0
"""Where the drive alone, with zeros at the rim, makes gamma so many times its value at the rim, the two solutions that
add up cancel: an error of 1 % in the drive is one of 100 % in gamma."""
DRIVE_ACCURACY = 1e-5
"""Relative residual of the solution for the drive alone in a volume."""


def reconstruct(b1: B1Map, settings: ConvectionReactionOptions, form: str, kernel: SavitzkyGolay) -> PropertyMap:
    """Solve div(gamma v) - c laplacian(gamma) = -w^2 mu0 B1+, or div(rho grad phi) - c laplacian(rho) = 2 w mu0.

    gamma = 1/eps_c and v of :class:`~emdose.ept.transport.convection_reaction.ConvectionReaction`; rho = 1/sigma and
    phi the transceive phase [rad]. In a slice gamma does not vary along z and the second derivative along z multiplies
    it. v and grad phi come from plain Savitzky-Golay windows, so that voxels whose window leaves the mask have no
    equation: those next to such a voxel carry the prescribed value.

    The scheme is EPTlib's: upwind fluxes with the phase form, central differences with the complex one. Differences
    from EPTlib 0.4: slices are solved by sparse LU, volumes by GMRES with their factors as preconditioner, to a
    backward error that is met or refused (EPTlib: BiCGStab, which may stop early in silence); voxels that the equations
    leave open have no value; windows that reach over the end of the image give no equation (EPTlib takes zeros there,
    so that its volumes have one more slice at both ends, and spoilt ones next to them); slices need not be square.

    Source: N. Gurler and Y. Z. Ider, Magn. Reson. Med. 77 (2017) 137-150; viscosity: C. Li et al., Phys. Med. Biol. 62
    (2017) 655.

    Raises
    ------
    InputError
        When the mask leaves no voxel, or a rim voxel has no boundary value.
    ConvergenceError
        When the backward error misses :data:`TOLERANCE`, a slice has no unique solution, or more than half of its
        voxels are undetermined (:data:`UNDETERMINED`; single ones are flagged FAILED): change the diffusion.
    """
    assert b1.mask is not None
    assert settings.diffusion is not None
    assert settings.boundary is not None
    w, mask = b1.angular_frequency, b1.mask
    field: np.ndarray
    drive: np.ndarray
    prescribed: np.ndarray
    sigma0, permittivity0 = boundary_maps(b1, form, settings.boundary)
    with np.errstate(divide="ignore", invalid="ignore"):
        if form == "complex":
            assert b1.magnitude is not None
            field = np.where(mask, b1.magnitude * np.exp(1j * b1.transmit_phase), 0)
            prescribed = 1 / (permittivity0 * EPS_0 - 1j * sigma0 / w)
            drive = -(w**2) * MU_0 * field
        else:
            field = np.where(mask, 2 * b1.transmit_phase, 0)  # the transceive phase, unwrapped
            prescribed = 1 / sigma0
            drive = np.full(field.shape, 2 * w * MU_0)
    slope, usable = _derivatives(field, b1.mask, kernel)
    if form == "complex":
        turn = slope[0] - 1j * slope[1]
        slope = [turn, 1j * turn, slope[2], slope[3]]
    found = np.full(b1.grid.shape, np.nan, field.dtype)
    depth = range(b1.grid.shape[2])
    parts: Sequence[Any] = (
        [np.s_[:, :, :]]
        if settings.volume
        else [np.s_[:, :, s : s + 1] for s in (depth if settings.slices is None else settings.slices)]
    )
    worst = np.zeros(2)
    for part in parts:
        if not usable[part].any():
            continue
        velocity = [s[part] for s in slope[: 3 if settings.volume else 2]]
        reaction = None if settings.volume else slope[3][part]
        found[part], errors = _solve(
            usable[part],
            velocity,
            reaction,
            drive[part],
            prescribed[part],
            settings.diffusion,
            b1.grid.spacing_m,
            form == "phase",
        )
        worst = np.maximum(worst, errors)
    undetermined = np.isinf(found)
    found[undetermined] = np.nan
    there = np.isfinite(found)
    if not there.any():
        raise InputError("no voxel has all its neighbours inside the mask", field="radius", found=settings.radius)
    flags = np.zeros(b1.grid.shape, np.uint8)
    flags[~b1.mask] |= np.uint8(Flag.OUTSIDE)
    flags[b1.mask & ~there & ~undetermined] |= np.uint8(Flag.NO_FIT)
    flags[undetermined] |= np.uint8(Flag.FAILED)
    permittivity: np.ndarray | None = None
    with np.errstate(invalid="ignore", divide="ignore"):
        if form == "complex":
            value = 1 / found
            sigma, permittivity = -value.imag * w, value.real / EPS_0
            sigma[~there] = np.nan
            flags[there & ((sigma < 0) | (permittivity < 1))] |= np.uint8(Flag.UNPHYSICAL)
        else:
            sigma = 1 / found
            flags[there & (sigma < 0)] |= np.uint8(Flag.UNPHYSICAL)
    return PropertyMap(
        grid=b1.grid,
        frequency_Hz=b1.frequency_Hz,
        conductivity=sigma,
        permittivity=permittivity,
        flags=flags,
        method="convection-reaction",
        data=plausibility(b1),
        affine=b1.affine,
        axis_codes=b1.axis_codes,
        settings={
            "form": form,
            "volume": settings.volume,
            "diffusion": settings.diffusion,
            "residual": float(worst[0]),
            "backward_error": float(worst[1]),
            "kernel": settings.kernel,
            "radius": settings.radius,
            "degree": settings.degree,
        },
    )


def _derivatives(field: np.ndarray, mask: np.ndarray, kernel: SavitzkyGolay) -> tuple[list[np.ndarray], np.ndarray]:
    """dx, dy, dz and d2/dz2 by the plain window, and where that window lies in the mask."""
    from scipy.ndimage import correlate

    exponents = monomials(kernel.degree)
    inverse = np.linalg.pinv(kernel.design, rcond=1e-10)
    second = inverse[int(np.flatnonzero((exponents == (0, 0, 2)).all(axis=1))[0])]
    rows = [*kernel.weights[1:4], 2 * second / (kernel.reach[2] * kernel.spacing_m[2]) ** 2]
    dense = kernel.dense(np.array([*rows, np.ones(len(kernel.offsets))]))
    # Differences from a local level lose no digits in the slopes of a large phase.
    out = [correlate(field, taps, mode="constant") for taps in dense[:4]]
    outside = correlate((~mask).astype(float), dense[4], mode="constant", cval=1.0)
    return out, outside < 0.5


def _solve(
    usable: np.ndarray,
    velocity: Sequence[np.ndarray],
    reaction: np.ndarray | None,
    drive: np.ndarray,
    prescribed: np.ndarray,
    diffusion: float,
    spacing_m: Sequence[float],
    upwind: bool,
) -> tuple[np.ndarray, tuple[float, float]]:
    """Gamma (infinite where it is undetermined), and the two errors of :func:`_linear`."""
    import scipy.sparse as sp

    axes = range(len(velocity))
    inner = usable.copy()
    for a in axes:
        for step in (1, -1):
            inner &= np.roll(usable, step, a)
            edge = [slice(None)] * 3
            edge[a] = slice(0, 1) if step > 0 else slice(-1, None)
            inner[tuple(edge)] = False
    out = np.full(usable.shape, np.nan, prescribed.dtype)
    n = int(inner.sum())
    if not n:
        return out, (0.0, 0.0)
    number = np.full(usable.shape, -1)
    number[inner] = np.arange(n)
    centre, rhs = np.zeros(n, prescribed.dtype), drive[inner].astype(prescribed.dtype)
    if reaction is not None:
        centre += reaction[inner]
    rows, columns, values, rim = [], [], [], []
    for a in axes:
        h = spacing_m[a]
        for step in (1, -1):
            own = step * velocity[a][inner] / (2 * h)
            other = step * np.roll(velocity[a], -step, a)[inner] / (2 * h)
            if upwind:
                # The flux through a face is that of the voxel it comes from, the mean where the two disagree.
                out_, in_ = (own > 0) & (other > 0), (own < 0) & (other < 0)
                own, other = (
                    np.where(out_, 2 * own, np.where(in_, 0, own)),
                    np.where(in_, 2 * other, np.where(out_, 0, other)),
                )
            centre += own + diffusion / h**2
            other = other - diffusion / h**2
            neighbour = np.roll(number, -step, a)[inner]
            unknown = neighbour >= 0
            rows.append(np.flatnonzero(unknown))
            columns.append(neighbour[unknown])
            values.append(other[unknown])
            known = np.roll(prescribed, -step, a)[inner][~unknown]
            if not np.all(np.isfinite(known)):
                raise InputError(
                    "a voxel at the rim has no boundary value",
                    field="boundary",
                    expected="a finite conductivity above 0 (permittivity 1 or more) around the inner voxels",
                )
            rhs[~unknown] -= other[~unknown] * known
            rim.append(np.abs(known))
    matrix = sp.csc_matrix(
        (
            np.concatenate([centre, *values]),
            (np.concatenate([np.arange(n), *rows]), np.concatenate([np.arange(n), *columns])),
        ),
        shape=(n, n),
    )
    x, by_drive, errors = _linear(matrix, rhs, drive[inner], np.argwhere(inner))
    undetermined = np.abs(by_drive) > UNDETERMINED * float(np.median(np.concatenate(rim)))
    count = int(np.count_nonzero(undetermined))
    if 2 * count > n:
        raise ConvergenceError(
            f"convection-reaction with artificial diffusion: an error of {100 / UNDETERMINED:g} % in the "
            f"right-hand side changes the result by 100 % in {count} of {n} voxels; choose another diffusion, or leave "
            "it out (regularised least squares)",
            partial=x,
        )
    x[undetermined] = np.inf
    out[inner] = x
    return out, errors


def _linear(
    matrix: Any, rhs: np.ndarray, drive: np.ndarray, voxels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Solution, that for the drive alone, and the first one's residual against the drive and backward error."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import LinearOperator, gmres

    # In SI units an entry may be 1e-6 or 1e6: every equation is scaled to its largest coefficient.
    scale = 1 / abs(matrix).max(axis=1).toarray().ravel()
    matrix, rhs, drive = (sp.diags(scale) @ matrix).tocsr(), scale * rhs, scale * drive
    solve = PlaneMultigrid(matrix, voxels, hermitian=False)
    x = solve(rhs)

    def against() -> float:  # the norm of the matrix is 1 or more, its largest entry
        return float(np.linalg.norm(x) + np.linalg.norm(rhs))

    if np.ptp(voxels[:, 2]):
        goal = {"M": LinearOperator(matrix.shape, solve, dtype=matrix.dtype), "restart": RESTART, "maxiter": CYCLES}
        missed = 0
        for _ in range(APPROACHES):
            if not missed:
                x, missed = gmres(matrix, rhs, x0=x, rtol=0.0, atol=0.3 * TOLERANCE * against(), **goal)
        by_drive = np.zeros_like(x)
        if not missed:
            by_drive, missed = gmres(matrix, drive, rtol=DRIVE_ACCURACY, **goal)
    else:  # a direct solution: where little diffusion leaves it ill-conditioned, one refinement is not enough
        for _ in range(REFINEMENTS):
            x += solve(rhs - matrix @ x)
        by_drive, missed = solve(drive), 0
    residual = float(np.linalg.norm(matrix @ x - rhs))
    backward = residual / against()
    if missed or not backward <= TOLERANCE:
        raise ConvergenceError(
            f"convection-reaction with artificial diffusion: backward error {backward:.2g}, wanted {TOLERANCE:g}; "
            "raise the diffusion, or leave it out (regularised least squares)",
            partial=x,
        )
    return x, by_drive, (residual / float(np.linalg.norm(drive)), backward)
