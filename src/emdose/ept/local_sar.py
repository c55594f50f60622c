"""Local SAR from reconstructed properties and B1+."""

from __future__ import annotations

import numpy as np

from emdose.compute import backend
from emdose.constants import EPS_0, MU_0
from emdose.ept.local.masked_fit import masked_fit
from emdose.ept.local.savitzky_golay import SavitzkyGolay, radii_within
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import PropertyMap
from emdose.errors import InputError


def electric_field(
    b1: B1Map,
    maps: PropertyMap,
    *,
    radius: int | tuple[int, int, int] = 2,
    kernel: str = "cuboid",
    degree: int = 2,
    b1_unit_T: float = 1.0,
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
        What one unit of the magnitude is in tesla.
    device : {"auto", "cpu", "cuda"}
        Where to compute.

    Returns
    -------
    (3, nx, ny, nz) complex ndarray
        E [V/m], NaN where there is no value.

    Raises
    ------
    InputError
        When magnitude, phase, conductivity or permittivity is missing, or the grids differ.
    """
    _check(b1, maps)
    assert b1.magnitude is not None
    be = backend.get(device)
    sg = SavitzkyGolay(kernel, radii_within(radius, b1.grid.shape), degree, b1.grid.spacing_m)
    field = np.where(np.asarray(b1.mask), b1_unit_T * b1.magnitude * np.exp(1j * b1.transmit_phase), 0)
    fit = masked_fit(be, sg, (1, 2, 3), be.asarray(np.stack([field.real, field.imag])), b1.regions)
    re, im = be.to_numpy(fit.value)
    dx, dy, dz = re + 1j * im
    w = b1.angular_frequency
    assert maps.permittivity is not None
    assert maps.conductivity is not None
    admittivity = MU_0 * (1j * w * maps.permittivity * EPS_0 + maps.conductivity)
    return np.stack([1j * dz, dz, -2j * (dx - 1j * dy)]) / admittivity


def local_sar(
    b1: B1Map,
    maps: PropertyMap,
    density: float | np.ndarray,
    *,
    radius: int | tuple[int, int, int] = 2,
    kernel: str = "cuboid",
    degree: int = 2,
    b1_unit_T: float = 1.0,
    device: str = "auto",
) -> np.ndarray:
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
    (nx, ny, nz) ndarray
        SAR [W/kg], NaN where there is no value.

    Raises
    ------
    InputError
        As in :func:`electric_field`, or for a density that is not positive inside the mask.
    """
    _check(b1, maps)
    rho = np.asarray(density, float)
    if rho.ndim and rho.shape != b1.grid.shape:
        raise InputError("map does not fit the grid", field="density", found=rho.shape, expected=str(b1.grid.shape))
    inside = np.broadcast_to(rho, b1.grid.shape)[b1.mask]
    if not np.all(inside > 0):
        raise InputError(
            "density is not positive inside the mask",
            field="density",
            found=float(np.nanmin(inside)),
            expected="kg/m^3, about 1000",
        )
    e = electric_field(b1, maps, radius=radius, kernel=kernel, degree=degree, b1_unit_T=b1_unit_T, device=device)
    assert maps.conductivity is not None
    with np.errstate(divide="ignore", invalid="ignore"):
        return maps.conductivity * (np.abs(e) ** 2).sum(axis=0) / (2 * rho)


def _check(b1: B1Map, maps: PropertyMap) -> None:
    if b1.channels > 1:
        raise InputError("several transmit channels", file=b1.source, found=b1.channels, expected="one")
    for name in ("magnitude", "phase"):
        if getattr(b1, name) is None:
            raise InputError(f"no {name}", file=b1.source, field=name, expected="magnitude and phase of B1+")
    for name in ("conductivity", "permittivity"):
        if getattr(maps, name) is None:
            raise InputError(f"no {name}", field=name, expected="both properties")
    if maps.grid.shape != b1.grid.shape:
        raise InputError("grids differ", file=b1.source, found=maps.grid.shape, expected=str(b1.grid.shape))
