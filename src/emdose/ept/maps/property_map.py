"""Conductivity and permittivity maps with their uncertainty: what every EPT method returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import NamedTuple, Protocol

import numpy as np

from emdose.checks import fits
from emdose.ept.maps.region_mean import BiasEstimate, RegionMean, Shift
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.validity import Measure, judge
from emdose.values import read_only


class Flag(IntFlag):
    """What is known about a voxel; 0 means that nothing is in the way.

    OUTSIDE, NO_FIT and FAILED voxels are not valid and carry NaN (contrast-source inversion leaves what it
    had reached); the other flags are remarks on a value that is there.
    """

    OUTSIDE = 1
    """Not in the mask."""
    NO_FIT = 2
    """Too few or badly placed voxels (a thin sheet, a window cut by the mask): no value."""
    FALLBACK = 4
    """Fitted with a lower degree than asked for."""
    UNPHYSICAL = 8
    """Conductivity below 0 or relative permittivity below 1."""
    INTERFACE = 16
    """The window reaches over a boundary of tissue or mask, or was cut at one."""
    WEAK_SIGNAL = 32
    """B1+ is not above three times its uncertainty."""
    LOW_CONVECTION = 64
    """The gradient of B1+ nearly vanishes where the method divides by it."""
    FAILED = 128
    """An iteration did not reach its tolerance here."""


NO_VALUE = Flag.OUTSIDE | Flag.NO_FIT | Flag.FAILED


class NoisePropagation(Protocol):
    """How the noise of the input spreads into sums over voxels of (conductivity, permittivity).

    Neighbouring voxels share data, so that their errors are correlated and the uncertainty of a mean is not that of one
    voxel divided by the root of their number. Linear methods answer with the adjoint of their filter, others with Monte
    Carlo realisations.
    """

    def sum_covariance(self, weights: np.ndarray) -> np.ndarray:
        """Covariance (2, 2) of sum_v weights_v (sigma_v, eps_v) for real weights (nx, ny, nz)."""
        ...


class DataCheck(Protocol):
    """What the B1+ map that a reconstruction came from says about itself: sign, unit and kind of its phase."""

    @property
    def cause(self) -> str:
        """The likely cause when it is implausible; empty when it is plausible, or when nothing explains it."""
        ...

    def measures(self) -> list[Measure]:
        """For :func:`emdose.validity.judge`."""
        ...


@read_only
@dataclass(frozen=True)
class StatedCheck:
    """What a file says that the data said.

    Parameters
    ----------
    found : tuple of Measure
        The measures.
    cause : str
        See :class:`DataCheck`.
    """

    found: tuple[Measure, ...]
    cause: str = ""

    def measures(self) -> list[Measure]:
        """The measures."""
        return list(self.found)


class Uncertainty(NamedTuple):
    """Standard uncertainties from noise: conductivity [S/m], relative permittivity, and their covariance [S/m]."""

    conductivity: np.ndarray | None
    permittivity: np.ndarray | None
    covariance: np.ndarray | None


@read_only(
    units={
        "conductivity": "S/m",
        "u_conductivity": "S/m",
        "permittivity": "1",
        "u_permittivity": "1",
        "bias_conductivity": "S/m",
        "bias_permittivity": "1",
    }
)
@dataclass(frozen=True, eq=False)
class PropertyMap:
    """Conductivity and relative permittivity, NaN where there is no value.

    Parameters
    ----------
    grid : Grid
        Voxel grid.
    frequency_Hz : float
        Frequency at which they hold [Hz].
    conductivity : (nx, ny, nz) ndarray, optional
        Conductivity [S/m]; None when the method does not give it.
    permittivity : (nx, ny, nz) ndarray, optional
        Relative permittivity; None when the method does not give it.
    flags : (nx, ny, nz) uint8 ndarray
        See :class:`Flag`.
    u_conductivity, u_permittivity : (nx, ny, nz) ndarray, optional
        Standard uncertainty from the noise of the input alone.
    covariance : (nx, ny, nz) ndarray, optional
        Covariance of conductivity and permittivity from that noise [S/m].
    bias_conductivity, bias_permittivity : (nx, ny, nz) ndarray, optional
        Estimated error of the method itself (its value minus the truth), such as a neglected gradient; it is not part
        of the uncertainty and not subtracted.
    choice : (nx, ny, nz) uint8 ndarray, optional
        Which of several kernels was taken (index; 255 for none), see
        :class:`emdose.ept.local.automatic.AutomaticHelmholtz`.
    propagation : NoisePropagation, optional
        Spreads the noise into sums over voxels, see :meth:`region_mean`.
    bias_estimate : BiasEstimate, optional
        What the method gets wrong in means over regions, see :meth:`region_mean`; computed when asked for.
    data : DataCheck, optional
        What the B1+ map says about itself, see :meth:`measures`.
    method : str
        Name of the method.
    settings : mapping
        Its settings and what it found out, for provenance.
    affine, axis_codes :
        As in :class:`~emdose.ept.maps.b1map.B1Map`.

    Raises
    ------
    InputError
        When the arrays do not fit the grid or there is neither conductivity nor permittivity.
    """

    grid: Grid
    frequency_Hz: float
    conductivity: np.ndarray | None
    permittivity: np.ndarray | None
    flags: np.ndarray
    u_conductivity: np.ndarray | None = None
    u_permittivity: np.ndarray | None = None
    covariance: np.ndarray | None = None
    bias_conductivity: np.ndarray | None = None
    bias_permittivity: np.ndarray | None = None
    choice: np.ndarray | None = None
    propagation: NoisePropagation | None = None
    bias_estimate: BiasEstimate | None = None
    data: DataCheck | None = None
    method: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    affine: np.ndarray | None = None
    axis_codes: str = "RAS"

    def __post_init__(self) -> None:
        if self.conductivity is None and self.permittivity is None:
            raise InputError("a property map needs a conductivity or a permittivity")
        for name, values in {**self.maps(), "flags": self.flags}.items():
            fits(name, values, self.grid.shape, problem="map does not fit the grid")

    def maps(self) -> dict[str, np.ndarray]:
        """The real maps that are there, by name, without the flags."""
        names = (
            "conductivity",
            "permittivity",
            "u_conductivity",
            "u_permittivity",
            "covariance",
            "bias_conductivity",
            "bias_permittivity",
            "choice",
        )
        return {n: v for n in names if (v := getattr(self, n)) is not None}

    @property
    def valid(self) -> np.ndarray:
        """Voxels that carry a value, (nx, ny, nz) bool."""
        return (self.flags & np.uint8(NO_VALUE)) == 0

    def measures(self) -> list[Measure]:
        """How far this map can be trusted, for :func:`emdose.validity.judge`.

        Voxels with a value, voxels with an impossible one, and what the B1+ map says about the sign, the unit and the
        kind of its phase and about the range of the properties, with the likely cause.
        """
        inside = (self.flags & np.uint8(Flag.OUTSIDE)) == 0
        given = self.valid & inside
        count = int(np.count_nonzero(given))
        found = [Measure("ept_coverage", count / max(int(np.count_nonzero(inside)), 1))]
        if count:
            found.append(
                Measure("ept_unphysical", self.unphysical_share, hint=self.data.cause if self.data is not None else "")
            )
        return [*found, *([] if self.data is None else self.data.measures())]

    @property
    def unphysical_share(self) -> float:
        """Share of :attr:`surely_unphysical` voxels among those with a value; 0 without any.

        Voxels beside a boundary (INTERFACE) are left out as long as a twentieth of all is inside: their windows may
        hold a mixture, which neither noise nor a wrong sign, unit or frequency explains.
        """
        of = self.valid
        inner = of & ((self.flags & np.uint8(Flag.INTERFACE)) == 0)
        of = inner if np.count_nonzero(inner) >= 0.05 * np.count_nonzero(of) else of
        return int(np.count_nonzero(self.surely_unphysical & of)) / max(int(np.count_nonzero(of)), 1)

    @property
    def surely_unphysical(self) -> np.ndarray:
        """Voxels that are UNPHYSICAL by more than twice the stated uncertainty, if there is one, (nx, ny, nz) bool."""
        sure = np.zeros(self.grid.shape, bool)
        for value, u, least in (
            (self.conductivity, self.u_conductivity, 0.0),
            (self.permittivity, self.u_permittivity, 1.0),
        ):
            if value is not None:
                with np.errstate(invalid="ignore"):
                    sure |= (value + 2 * u < least) if u is not None else value < least
        stated = self.u_conductivity is not None or self.u_permittivity is not None
        flagged = self.valid & ((self.flags & np.uint8(Flag.UNPHYSICAL)) != 0)
        return flagged & sure if stated else flagged

    @property
    def uncertainty(self) -> Uncertainty:
        """Standard uncertainties and covariance from noise."""
        return Uncertainty(self.u_conductivity, self.u_permittivity, self.covariance)

    def region_mean(self, region: np.ndarray, accept: Sequence[str] = (), *, bias: bool = True) -> RegionMean:
        """Mean over the valid voxels of a region, with the uncertainty that belongs to a mean of correlated voxels.

        What the method itself gets wrong is estimated beside the noise, by a second reconstruction with other settings
        when a mean is first asked for (see :mod:`emdose.ept.judging.second_look`).

        Parameters
        ----------
        region : (nx, ny, nz) bool ndarray
            The region; voxels without a value are left out.
        accept : sequence of str
            Names of thresholds of :data:`emdose.validity.THRESHOLDS` that may be passed.
        bias : bool
            Whether to estimate the bias.

        Raises
        ------
        InputError
            When the shape differs or no voxel of the region has a value.
        NotValidError
            When the map is not valid by its :meth:`measures`.
        """
        region = np.asarray(region)
        fits("region", region, self.grid.shape, problem="region does not fit the grid")
        pick = (region != 0) & self.valid
        count = int(np.count_nonzero(pick))
        if not count:
            raise InputError("no voxel of the region has a value", field="region")
        judge(self.measures(), accept).require()
        u_s = u_e = cross = None
        if self.propagation is not None:
            spread = self.propagation.sum_covariance(pick / count)
            if self.conductivity is not None:
                u_s = float(np.sqrt(max(spread[0, 0], 0.0)))
            if self.permittivity is not None:
                u_e = float(np.sqrt(max(spread[1, 1], 0.0)))
            if u_s is not None and u_e is not None:
                cross = float(spread[0, 1])

        biases: Mapping[str, Shift] = {}
        lacking: Sequence[str] = ()
        if bias and self.bias_estimate is not None:
            biases, lacking = self.bias_estimate.terms(region != 0)

        def mean(values: np.ndarray | None) -> float | None:
            return None if values is None else float(np.mean(values[pick], dtype=np.float64))

        return RegionMean(
            mean(self.conductivity),
            u_s,
            mean(self.permittivity),
            u_e,
            cross,
            mean(self.bias_conductivity),
            mean(self.bias_permittivity),
            count,
            biases,
            tuple(lacking),
        )
