r"""Contrast-source inversion: conductivity and permittivity from B1+ through the volume integral.

Unknown are the contrast chi = eps_r - 1 - j sigma / (w eps0) of every voxel and the contrast sources w = chi E of every
excitation. They minimise

.. math::

   F = \underbrace{\frac{\|s\,q(B_{inc} + G_B w) - d\|_W^2}{\|d\|_W^2}}_{F_D}
     + \underbrace{\frac{\|\chi E_{inc} - w + \chi G_E w\|^2}{\|\chi E_{inc}\|^2}}_{F_O}

times a factor for total variation. See docs/theory/ept_csi.md for assumptions and where it fails.

Source: P. van den Berg and R. Kleinman, Inverse Problems 13 (1997) 1607 (functional); P. van den Berg, A. Abubakar and
J. Fokkema, Radio Sci. 38 (2003) 8022 (multiplicative regularisation); E. Balidemaj et al., IEEE Trans. Med. Imaging 34
(2015) 1788 (EPT).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from emdose.checks import array, one_of, whole, within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.constants import C_0, EPS_0
from emdose.ept.inversion.data import NOT_KNOWN, DataTerm
from emdose.ept.inversion.newton import State, minimise, told_converged
from emdose.ept.inversion.operators import ScatteringOperators, at_centres
from emdose.ept.local.plausibility import plausibility
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.errors import InputError
from emdose.models.coils.ideal import Coil
from emdose.models.coils.incident_field import IncidentField
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.grids.grid import Grid
from emdose.solvers.running import Done, ProgressCallback, Setup, silent
from emdose.solvers.yee_grid.incident import incident_B, incident_E
from emdose.values import read_only

_GRID_MISFIT = 0.012
Drive = str | Sequence[complex] | np.ndarray


@read_only(units={"E": "V/m", "B": "T"})
@dataclass(frozen=True, eq=False)
class EdgeField:
    """The field of the coil without the body, where no coil model serves: measured, or from another program.

    Parameters
    ----------
    E : (port, 3, nx + 1, ny + 1, nz + 1) complex ndarray
        On the edges of the grid of the B1+ map, peak phasors per unit drive [V/m].
    B : (port, 3, nx + 1, ny + 1, nz + 1) complex ndarray
        On the faces [T].
    drives : mapping of str to (port,) complex, optional
        Named drive vectors.

    Raises
    ------
    InputError
        When the arrays do not fit each other or hold values that are not finite.
    """

    E: np.ndarray
    B: np.ndarray
    drives: Mapping[str, Any] = field(default_factory=dict)
    name: str = "given incident field"

    def __post_init__(self) -> None:
        E, B = np.asarray(self.E), np.asarray(self.B)
        if E.ndim != 5 or E.shape[1] != 3 or E.shape != B.shape:
            raise InputError(
                "bad incident field",
                field="E, B",
                found=f"{E.shape} and {B.shape}",
                expected="(port, 3, nx + 1, ny + 1, nz + 1) for both",
            )
        if not (np.all(np.isfinite(E)) and np.all(np.isfinite(B))):
            raise InputError("incident field holds a value that is not finite", field="E, B")

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the ports: their numbers."""
        return tuple(str(i + 1) for i in range(len(self.E)))

    def within(self, grid: Grid, low: tuple[int, ...], high: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """E and B on the box of voxels ``low`` (included) to ``high`` (excluded) of a grid."""
        if self.E.shape[2:] != grid.node_shape:
            raise InputError(
                "incident field does not fit the B1+ map",
                field="E, B",
                found=self.E.shape[2:],
                expected=str(grid.node_shape),
            )
        cut = (slice(None), slice(None), *(slice(a, b + 1) for a, b in zip(low, high, strict=True)))
        return np.asarray(self.E)[cut], np.asarray(self.B)[cut]


@read_only
@dataclass(frozen=True)
class Csi:
    """Contrast-source inversion in three dimensions, with the coil's incident field known.

    Every iteration brings the sources to the object equation of the present contrast (F_O far below F_D) and then
    takes a quasi-Newton step of F in the contrast, with the exact gradient through the object equation.

    Parameters
    ----------
    max_iterations : int
        Steps of the contrast.
    misfit : float, optional
        Relative data residual that the grid leaves even without noise; the iteration stops at it. By default
        0.012 abs(k h)^2 with the wavenumber k of the first guess, as measured between grids of spacing h and h/2. The
        known noise of the map is added in quadrature (discrepancy principle).
    strength : float
        Power of the factor for total variation; 0 is none.
    edge : float
        Jump between neighbours, relative to the contrast, from which on an edge costs like its height and not like its
        square.
    object_tolerance : float
        Relative residual of the object equation at the end.
    fit_scale : bool
        Fit one complex factor (positive for phaseless data) between model and data: unknown drive amplitude, receive
        gain and reference phase. False takes the map in tesla for the drive as given.
    low_field : float
        Voxels with abs(E) below this part of its median over the body are flagged LOW_CONVECTION: E is what carries the
        contrast into B1+, and where it vanishes the value comes from the neighbours.
    start : (float, float)
        Relative permittivity and conductivity [S/m] of the homogeneous first guess.
    dtype : {"complex64", "complex128"}
        Precision of the operators.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    max_iterations: int = 40
    misfit: float | None = None
    strength: float = 0.1
    edge: float = 0.02
    object_tolerance: float = 5e-5
    fit_scale: bool = True
    low_field: float = 0.1
    start: tuple[float, float] = (50.0, 0.5)
    dtype: str = "complex64"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("misfit", 0, 1),
            ("strength", 0, 1),
            ("edge", 1e-6, 1),
            ("object_tolerance", 0, 0.1),
            ("low_field", 0, 1),
        ):
            if name != "misfit" or self.misfit is not None:
                within(name, getattr(self, name), low, high, problem="bad option")
        whole("max_iterations", self.max_iterations, 1)
        one_of("dtype", self.dtype, ("complex64", "complex128"), problem="unknown choice")
        if self.object_tolerance < (2e-6 if self.dtype == "complex64" else 1e-13):
            raise InputError(
                "tolerance beyond the precision",
                field="object_tolerance",
                found=self.object_tolerance,
                expected='>= 2e-6, or 1e-13 with dtype="complex128"',
            )
        start = array("start", self.start, (2,), problem="bad first guess")
        if not (start[0] > 1 and start[1] >= 0):
            raise InputError("bad first guess", field="start", found=self.start, expected="(eps_r > 1, sigma >= 0)")

    def reconstruct(
        self,
        b1: B1Map,
        coil: Coil | PlaneWave | IncidentField | EdgeField,
        drive: Drive | Sequence[Drive] | None = None,
        receive: Drive | Sequence[Drive] | None = None,
        body: np.ndarray | None = None,
        device: str | Backend = "auto",
        progress: ProgressCallback | None = None,
    ) -> PropertyMap:
        """Conductivity and permittivity from B1+ maps.

        The data term follows from the map: magnitude with transmit phase (complex), with transceive phase, or alone
        (phaseless). Phaseless data need two drives or more: one quadrature drive hardly tells the conductivity.

        Parameters
        ----------
        b1 : B1Map
            One channel or more, on cubic voxels; channel i was measured with drive i.
        coil : Coil, PlaneWave, IncidentField or EdgeField
            The source in the place where it was, in the coordinates of the map's grid.
        drive : str or (port,) complex, or one per channel, optional
            How the coil was driven; by default "quadrature" or the coil's first drive, for several channels the ports.
        receive : str or (port,) complex, or one per channel, optional
            How it received, for a transceive phase; by default "anti-quadrature" where the coil has it, else as driven.
        body : (nx, ny, nz) bool ndarray, optional
            Where there may be tissue, with or without data; by default the mask of the map. Tissue outside it would be
            missing in the model.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.
        progress : callable, optional
            Called with events of :mod:`emdose.solvers.running`: set-up, a
            :class:`~emdose.ept.inversion.newton.ContrastStep` for every iteration, and done.

        Returns
        -------
        PropertyMap
            Without uncertainty (use Monte Carlo); ``settings`` holds the history of data and object residual,
            "converged" (see :func:`~emdose.ept.inversion.newton.told_converged`) and why it "stopped". When it has not
            converged a warning says so, and every voxel carries ``Flag.FAILED`` beside the value that was reached.

        Raises
        ------
        InputError
            For voxels that are not cubic, a map without magnitude, a mask that reaches out of the body, drives or
            fields that do not fit.
        """
        be = backend.get(device)
        report = progress or silent
        kind = _kind(b1)
        body = _checked_body(b1, body)
        transmit, listen = _drives(b1, coil, drive, receive, kind)
        guess = self.start[0] - 1 - 1j * self.start[1] / (b1.angular_frequency * EPS_0)
        misfit = _GRID_MISFIT * abs(guess + 1) * (b1.angular_frequency / C_0 * b1.grid.spacing_m[0]) ** 2
        misfit = misfit if self.misfit is None else self.misfit
        report(Setup())
        lattice = ScatteringOperators(b1.grid, body, b1.frequency_Hz, be, self.dtype)
        basis, transmit, listen = _excitations(transmit, listen, kind)
        E, b = _incident(coil, b1, lattice, basis)
        term, expected = _data_term(b1, kind, transmit, listen, lattice, self.fit_scale)
        tolerance = math.hypot(misfit, expected)
        state, history, stopped = minimise(
            lattice,
            term,
            E,
            b,
            guess,
            misfit=misfit,
            noise=expected,
            iterations=self.max_iterations,
            strength=self.strength,
            edge=self.edge,
            object_tolerance=self.object_tolerance,
            report=report,
        )
        report(Done(residual=history["data"][-1], tolerance=tolerance))
        converged = told_converged(history["data"], tolerance, stopped)
        s = term.scale(state.b)
        return self._as_map(
            b1,
            body,
            lattice,
            state,
            {
                "options": asdict(self),
                "data": kind,
                "channels": b1.channels,
                "coil": coil.name,
                "stopped": stopped,
                "converged": converged,
                "history": history,
                "tolerance": tolerance,
                "expected_noise_residual": expected,
                "scale": [float(np.real(s)), float(np.imag(s))],
                "products": lattice.products,
            },
        )

    def _as_map(
        self, b1: B1Map, body: np.ndarray, lattice: ScatteringOperators, state: State, settings: dict[str, object]
    ) -> PropertyMap:
        be, omega = lattice.be, b1.angular_frequency
        conductivity, permittivity = (np.full(b1.grid.shape, np.nan) for _ in range(2))
        contrast = be.to_numpy(state.contrast)
        permittivity[body], conductivity[body] = contrast.real + 1, -omega * EPS_0 * contrast.imag
        strength = np.sqrt(be.to_numpy(lattice.on_edges_adjoint((abs(state.E) ** 2).sum(0).astype(float))))
        flags = np.where(body, 0, Flag.OUTSIDE).astype(np.uint8)
        low = strength < self.low_field * np.median(strength)
        flags[body] |= np.where(low, np.uint8(Flag.LOW_CONVECTION), np.uint8(0))
        if not settings["converged"]:
            flags[body] |= np.uint8(Flag.FAILED)
        if b1.u_magnitude is not None and b1.magnitude is not None:
            best = np.max(b1.magnitude.reshape(-1, *b1.grid.shape), axis=0)
            flags[body & (best < 3 * np.asarray(b1.u_magnitude))] |= np.uint8(Flag.WEAK_SIGNAL)
        return PropertyMap(
            b1.grid,
            b1.frequency_Hz,
            conductivity,
            permittivity,
            flags,
            bias_estimate=NOT_KNOWN,
            method="contrast-source inversion",
            settings=settings,
            data=plausibility(b1),
            affine=b1.affine,
            axis_codes=b1.axis_codes,
        )


def _kind(b1: B1Map) -> str:
    if b1.magnitude is None:
        raise InputError("contrast-source inversion needs the magnitude of B1+", file=b1.source, field="magnitude")
    if not b1.grid.is_cubic:
        raise InputError(
            "contrast-source inversion needs cubic voxels",
            file=b1.source,
            field="spacing_m",
            found=b1.grid.spacing_m,
            expected="one spacing: resample the map",
        )
    if b1.phase is None:
        return "phaseless"
    return "complex" if b1.phase_kind == "transmit" else "transceive"


def _checked_body(b1: B1Map, body: np.ndarray | None) -> np.ndarray:
    assert b1.mask is not None
    if body is None:
        return b1.mask
    body = np.asarray(body) != 0
    if body.shape != b1.grid.shape:
        raise InputError("body does not fit the grid", field="body", found=body.shape, expected=str(b1.grid.shape))
    outside = int(np.count_nonzero(b1.mask & ~body))
    if outside:
        raise InputError(
            "the mask reaches out of the body",
            field="body",
            found=f"{outside} voxels with data",
            expected="a body that holds the mask",
        )
    return body


def _drives(
    b1: B1Map, coil: Coil | PlaneWave | IncidentField | EdgeField, drive: Any, receive: Any, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Transmit and receive drives (channel, port)."""
    ports, n = len(coil.ports), b1.channels
    if drive is None and n > 1:
        if n != ports:
            raise InputError(
                "drives missing",
                field="drive",
                found=f"{n} channels and {ports} ports",
                expected="one drive per channel",
            )
        transmit = np.eye(ports, dtype=complex)
    else:
        first = "quadrature" if "quadrature" in coil.drives else next(iter(coil.drives), [1] + [0] * (ports - 1))
        transmit = _vectors("drive", first if drive is None else drive, coil, n)
    if kind != "transceive":
        return transmit, transmit
    if receive is None:
        receive = "anti-quadrature" if "anti-quadrature" in coil.drives else None
    return transmit, transmit if receive is None else _vectors("receive", receive, coil, n)


def _vectors(name: str, value: Any, coil: Any, channels: int) -> np.ndarray:
    ports = len(coil.ports)
    many = not isinstance(value, str) and (np.ndim(value[0]) > 0 or isinstance(value[0], str))
    rows = []
    for one in value if many else [value] * channels:
        if isinstance(one, str):
            one_of(name, one, coil.drives, problem="unknown drive", also="a vector")
            one = coil.drives[one]
        vector = np.asarray(one, complex)
        if vector.shape != (ports,) or not np.all(np.isfinite(vector)) or not np.any(vector):
            raise InputError(
                "drive does not fit the ports",
                field=name,
                found=np.shape(one),
                expected=f"{ports} finite amplitudes, not all zero",
            )
        rows.append(vector)
    if len(rows) != channels:
        raise InputError("drives do not fit the channels", field=name, found=len(rows), expected=f"{channels}")
    return np.stack(rows)


def _excitations(transmit: np.ndarray, listen: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As few port vectors (excitation, port) as span the drives in use, and the drives in terms of them."""
    used = np.concatenate([transmit, listen]) if kind == "transceive" else transmit
    u, size, basis = np.linalg.svd(used, full_matrices=False)
    rank = int(np.count_nonzero(size > 1e-10 * size[0]))
    parts = u[:, :rank] * size[:rank]
    n = len(transmit)
    return basis[:rank], parts[:n], parts[n:] if kind == "transceive" else parts[:n]


def _incident(
    coil: Coil | PlaneWave | IncidentField | EdgeField, b1: B1Map, lattice: ScatteringOperators, basis: np.ndarray
) -> tuple[Any, Any]:
    """E on the edges (excitation, n) and (Bx +- j By) / 2 at the centres (excitation, 2, voxels)."""
    be = lattice.be
    if isinstance(coil, EdgeField):
        E, B = (be.asarray(a, dtype=complex) for a in coil.within(b1.grid, lattice.low, lattice.high))
    else:
        E, B = (f(coil, lattice.box, b1.frequency_Hz, be, complex) for f in (incident_E, incident_B))
    mix = be.asarray(basis)
    E, B = (be.xp.tensordot(mix, a, axes=1) for a in (E, B))
    return lattice.restrict(E).astype(lattice.dtype), at_centres(B).astype(lattice.dtype)


def _data_term(
    b1: B1Map, kind: str, transmit: np.ndarray, listen: np.ndarray, lattice: ScatteringOperators, fit_scale: bool
) -> tuple[DataTerm, float]:
    """The data term on the box, and the relative residual that the known noise leaves."""
    assert b1.mask is not None
    assert b1.magnitude is not None
    cut = tuple(slice(a, b) for a, b in zip(lattice.low, lattice.high, strict=True))
    shape = (b1.channels, *b1.grid.shape)
    mask = np.broadcast_to(b1.mask, shape)
    size = np.where(mask, b1.magnitude.reshape(shape), 0.0)
    data = size.astype(complex)
    variance = np.zeros(shape)
    if b1.u_magnitude is not None:
        variance += np.asarray(b1.u_magnitude) ** 2
    if b1.phase is not None:
        data *= np.exp(1j * np.where(mask, b1.phase.reshape(shape), 0.0))
        if b1.u_phase is not None:
            variance += (size * np.asarray(b1.u_phase)) ** 2
    known = b1.has_noise and bool(np.any(variance[mask] > 0))
    if known:
        # A voxel that claims to be exact must not outweigh all others.
        variance = np.maximum(variance, 1e-4 * np.median(variance[mask]))
        weight = np.where(mask, 1 / np.sqrt(variance), 0.0)
    else:
        weight = np.where(mask, 1.0, 0.0)
    be = lattice.be
    term = DataTerm(
        kind,
        be.asarray(transmit),
        be.asarray(listen),
        be.asarray(data[(slice(None), *cut)]),
        be.asarray(weight[(slice(None), *cut)]),
        fit_scale,
    )
    # Two standard deviations below the mean of chi-squared: at the mean the fit would still miss what it can tell.
    count = int(np.count_nonzero(mask))
    real = count * (1 if kind == "phaseless" else 2)
    least = max(0.5, 1 - 2 * math.sqrt(2 / real))
    expected = math.sqrt(least * count / term.size) if known else 0.0
    return term, expected
