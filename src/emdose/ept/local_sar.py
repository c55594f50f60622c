"""Local SAR from reconstructed properties and B1+."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import positive
from emdose.compute import backend
from emdose.constants import EPS_0, MU_0
from emdose.ept.local.masked_fit import masked_fit
from emdose.ept.local.savitzky_golay import SavitzkyGolay, radii_within
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import NO_VALUE, Flag, PropertyMap
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.values import read_only

TESLA = (1e-12, 1e-3)
"""Between these the median of abs(B1+) must lie [T]: per volt or ampere of a coil, or as driven in an examination."""
DENSITY = (50.0, 23_000.0)
"""Between these every density must lie [kg/m^3]: lung to metal."""


@read_only(units={"value": "W/kg", "u": "W/kg", "density": "kg/m^3"})
@dataclass(frozen=True, eq=False)
class LocalSar:
    """Local SAR of a continuous wave from B1+ and property maps.

    Parameters
    ----------
    value : (nx, ny, nz) ndarray
        SAR [W/kg], NaN where there is none.
    u : (nx, ny, nz) ndarray or None
        Standard uncertainty [W/kg] from the noise of B1+ and the uncertainty of both properties, taken as independent
        of each other. None when one of them is not known. What the assumption Bz = 0 leaves out is not in it.
    flags : (nx, ny, nz) uint8 ndarray
        :class:`~emdose.ept.maps.property_map.Flag` of the properties and of the derivatives of B1+.
    grid : Grid
        Voxel grid.
    frequency_Hz : float
        Frequency [Hz].
    density : (nx, ny, nz) ndarray
        Mass density that it was divided by [kg/m^3].

    Raises
    ------
    InputError
        When an array does not fit the grid.
    """

    value: np.ndarray
    u: np.ndarray | None
    flags: np.ndarray
    grid: Grid
    frequency_Hz: float
    density: np.ndarray

    def __post_init__(self) -> None:
        for name in ("value", "u", "flags", "density"):
            array = getattr(self, name)
            if array is not None and array.shape != self.grid.shape:
                raise InputError(
                    "map does not fit the grid", field=name, found=array.shape, expected=str(self.grid.shape)
                )

    @property
    def valid(self) -> np.ndarray:
        """Voxels that carry a value, (nx, ny, nz) bool."""
        return (self.flags & np.uint8(NO_VALUE)) == 0


def electric_field(
    b1: B1Map,
    maps: PropertyMap,
    *,
    radius: int | tuple[int, int, int] = 2,
    kernel: str = "cuboid",
    degree: int = 2,
    b1_unit_T: float,
    device: str = "auto",
) -> np.ndarray:
    """Electric field from B1+ by Ampere's law, peak phasors.

    Assumes a negligible longitudinal component, Bz = 0. Then div B = 0 makes the curl's z component follow from B1+
    alone, whatever (Bx - j By)/2 is. The transverse components hold dz of both; with only B1+ known, (Bx - j By)/2 is
    taken not to vary along z, so that (dz Bx, dz By) = (1, -j) dz B1+:

        E_z = -2 j (dx - j dy) B1+ / (j w mu0 eps_c),
        E_x = -dz By / (j w mu0 eps_c),  E_y = dz Bx / (j w mu0 eps_c).

    Parameters
    ----------
    b1 : B1Map
        Magnitude and phase of one channel.
    maps : PropertyMap
        Conductivity and permittivity on the same grid.
    radius, kernel, degree :
        Window of the derivatives, inside the labels or the mask.
    b1_unit_T : float
        What one unit of the magnitude is in tesla (1e-6 for microtesla); E and SAR cannot do without.
    device : {"auto", "cpu", "cuda"}
        Where to compute.

    Returns
    -------
    (3, nx, ny, nz) complex ndarray
        E [V/m], NaN where there is no value.

    Raises
    ------
    InputError
        When magnitude, phase, conductivity or permittivity is missing, the grids differ, or B1+ cannot be in tesla.
    """
    field, _ = _slopes(b1, maps, radius, kernel, degree, b1_unit_T, device, noisy=False)
    dx, dy, dz = field
    return np.stack([1j * dz, dz, -2j * (dx - 1j * dy)]) / (MU_0 * _admittivity(maps))


def local_sar(
    b1: B1Map,
    maps: PropertyMap,
    density: float | np.ndarray,
    *,
    radius: int | tuple[int, int, int] = 2,
    kernel: str = "cuboid",
    degree: int = 2,
    b1_unit_T: float,
    device: str = "auto",
) -> LocalSar:
    """Local SAR sigma |E|^2 / (2 rho) of a continuous wave, E by :func:`electric_field`.

    With a negligible Bz this is the share of the currents along z, which a birdcage and an array of rungs or dipoles
    mostly drive; near end rings and loops it is too low.

    Source: U. Katscher et al., IEEE Trans. Med. Imaging 28 (2009) 1365-1374.

    Parameters
    ----------
    b1, maps, radius, kernel, degree, b1_unit_T, device :
        As in :func:`electric_field`.
    density : float or (nx, ny, nz) ndarray
        Mass density [kg/m^3].

    Returns
    -------
    LocalSar
        SAR [W/kg], its standard uncertainty where the noise is known, and flags.

    Raises
    ------
    InputError
        As in :func:`electric_field`, or for a density that cannot be in kg/m^3 inside the mask.
    """
    _check(b1, maps)
    rho = np.asarray(density, float)
    if rho.ndim and rho.shape != b1.grid.shape:
        raise InputError("map does not fit the grid", field="density", found=rho.shape, expected=str(b1.grid.shape))
    rho = np.broadcast_to(rho, b1.grid.shape)
    mask = np.asarray(b1.mask)
    inside = rho[mask]
    wrong = ~((inside >= DENSITY[0]) & (inside <= DENSITY[1]))
    if wrong.any():
        raise InputError(
            "density cannot be in kg/m^3 inside the mask",
            field="density",
            found=float(inside[wrong][0]),
            expected=f"{DENSITY[0]:g} to {DENSITY[1]:g} kg/m^3, about 1000 (not g/cm^3)",
        )
    noisy = b1.has_noise and maps.u_conductivity is not None and maps.u_permittivity is not None
    (dx, dy, dz), gain = _slopes(b1, maps, radius, kernel, degree, b1_unit_T, device, noisy)
    assert maps.conductivity is not None
    assert maps.permittivity is not None
    sigma, y = maps.conductivity, _admittivity(maps)
    turn = dx - 1j * dy
    curl = 4 * np.abs(turn) ** 2 + 2 * np.abs(dz) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = sigma / (2 * rho * MU_0**2 * np.abs(y) ** 2)
        value, u = share * curl, None
        if noisy:
            by_sigma = value * (1 / sigma - 2 * sigma / np.abs(y) ** 2)
            by_epsr = -2 * value * (b1.angular_frequency * EPS_0) ** 2 * maps.permittivity / np.abs(y) ** 2
            us, ue = np.asarray(maps.u_conductivity), np.asarray(maps.u_permittivity)
            together = 0.0 if maps.covariance is None else maps.covariance
            spread = (by_sigma * us) ** 2 + (by_epsr * ue) ** 2 + 2 * by_sigma * by_epsr * together
            u = np.sqrt(np.maximum(spread + share**2 * _curl_variance(turn, dz, gain), 0))
    flags = maps.flags | np.where(mask, 0, np.uint8(Flag.OUTSIDE)).astype(np.uint8)
    lost = mask & ~np.isfinite(value)
    flags = flags | np.where(lost & (flags & np.uint8(NO_VALUE) == 0), np.uint8(Flag.NO_FIT), np.uint8(0))
    there = (flags & np.uint8(NO_VALUE)) == 0
    value = np.where(there, value, np.nan)
    flags = flags | np.where(there & (value < 0), np.uint8(Flag.UNPHYSICAL), np.uint8(0))
    return LocalSar(value, None if u is None else np.where(there, u, np.nan), flags, b1.grid, b1.frequency_Hz, rho)


def _slopes(
    b1: B1Map,
    maps: PropertyMap,
    radius: int | tuple[int, int, int],
    kernel: str,
    degree: int,
    b1_unit_T: float,
    device: str,
    noisy: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """dx, dy, dz of B1+ [T/m], and the variances of one part of them (xx, xy, xz, yy, yz, zz)."""
    _check(b1, maps)
    assert b1.magnitude is not None
    mask = np.asarray(b1.mask)
    size = positive("b1_unit_T", b1_unit_T, expected="tesla per unit of the magnitude, such as 1e-6") * b1.magnitude
    typical = float(np.median(size[mask]))
    if not TESLA[0] <= typical <= TESLA[1]:
        raise InputError(
            "B1+ cannot be in tesla",
            file=b1.source,
            field="b1_unit_T",
            found=f"a median of {typical:.3g} T",
            expected=f"{TESLA[0]:g} to {TESLA[1]:g} T (1e-6 for maps in microtesla)",
        )
    be = backend.get(device)
    sg = SavitzkyGolay(kernel, radii_within(radius, b1.grid.shape), degree, b1.grid.spacing_m)
    field = np.where(mask, size * np.exp(1j * b1.transmit_phase), 0)
    noise = None
    if noisy:
        radial = np.asarray(b1.u_magnitude, float) * b1_unit_T
        tangential = size * b1.phase_factor * np.asarray(b1.u_phase, float)
        # Real and imaginary part share the two: the sum of their squares is what enters abs(curl)^2.
        noise = be.asarray(np.where(mask, (radial**2 + tangential**2) / 2, 0.0)[None])
    fit = masked_fit(be, sg, (1, 2, 3), be.asarray(np.stack([field.real, field.imag])), b1.regions, noise=noise)
    re, im = be.to_numpy(fit.value)
    return re + 1j * im, be.to_numpy(fit.gain)[0]


def _curl_variance(turn: np.ndarray, dz: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Variance of 4 |dx - j dy|^2 + 2 |dz|^2 to first order."""
    xx, _, xz, yy, yz, zz = gain
    mixed = (turn * dz.conj()).real * xz - (turn * dz.conj()).imag * yz
    return 64 * np.abs(turn) ** 2 * (xx + yy) + 16 * np.abs(dz) ** 2 * zz + 64 * mixed


def _admittivity(maps: PropertyMap) -> np.ndarray:
    """sigma + j w eps [S/m]."""
    assert maps.permittivity is not None
    assert maps.conductivity is not None
    return maps.conductivity + 2j * np.pi * maps.frequency_Hz * EPS_0 * maps.permittivity


def _check(b1: B1Map, maps: PropertyMap) -> None:
    if b1.channels > 1:
        raise InputError("several transmit channels", file=b1.source, found=b1.channels, expected="one")
    for name in ("magnitude", "phase"):
        if getattr(b1, name) is None:
            raise InputError(f"no {name}", file=b1.source, field=name, expected="magnitude and phase of B1+")
    for name in ("conductivity", "permittivity"):
        if getattr(maps, name) is None:
            raise InputError(f"no {name}", field=name, expected="both properties")
    if not np.isclose(maps.frequency_Hz, b1.frequency_Hz, rtol=0.01):
        raise InputError(
            "frequencies differ",
            file=b1.source,
            field="frequency_Hz",
            found=maps.frequency_Hz,
            expected=f"{b1.frequency_Hz:g}",
        )
    if maps.grid.shape != b1.grid.shape:
        raise InputError("grids differ", file=b1.source, found=maps.grid.shape, expected=str(b1.grid.shape))
