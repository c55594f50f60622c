"""What a solver returns: fields per port on the Yee grid, with everything needed to judge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import fits, one_of, positive, unknown, vector
from emdose.compute import backend
from emdose.errors import InputError
from emdose.models.grids.grid import Grid, Vector
from emdose.solvers.results.discretisation import Discretisation, of_fields
from emdose.solvers.results.lead_response import LeadResponse
from emdose.solvers.results.measures import of_ports, of_scale, worst
from emdose.validity import NOT_VALID, Measure, judge
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implanted_body import ImplantedBody

DRIVE = "drive"
"""What a provenance calls the drive of driven fields."""


@read_only
@dataclass(frozen=True, eq=False)
class PowerBalance:
    """Time-averaged power of every pair of ports, as Hermitian matrices.

    For a drive v the power is Re(v^H M v), v in drive units.

    Parameters
    ----------
    absorbed_W : (port, port) complex ndarray
        Dissipated in the body: 1/2 sum sigma E_k* E_l dV over the edges [W].
    extinction_W : (port, port) complex ndarray
        Work of the incident field on the currents in the body: 1/2 sum of E_inc J* + J E_inc* halves [W].
    scattered_W : (port, port) complex ndarray
        Radiated by the currents in the body, from their far field, independent of the solution's E [W].
    lost_W : (port, port) complex ndarray, optional
        Dissipated in the coil, in its elements and its metal where the solver knows that, and in the metal of implants
        where that is no perfect conductor [W].
    lost_parts_W : mapping of str to (port, port) complex ndarray
        Where: by part of the coil's metal, "elements", and "implants"; their sum is ``lost_W``. Empty where it is not
        known [W].

    Notes
    -----
    An FDTD knows the whole source: for its coils ``extinction_W`` is what they deliver and ``scattered_W`` all that is
    radiated, by coil and body together.
    """

    absorbed_W: np.ndarray
    extinction_W: np.ndarray
    scattered_W: np.ndarray
    lost_W: np.ndarray | None = None
    lost_parts_W: Mapping[str, np.ndarray] = field(default_factory=dict)

    def power(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Absorbed, extinction and scattered power [W] and the closure (fraction) for drive weights.

        closure = abs(extinction - absorbed - scattered - lost) / max(absorbed, extinction, tiny), with "lost_W" where
        there are lumped losses. With one port no weights are needed.
        """
        v = self._weights(weights)
        out = {name: float(np.real(np.vdot(v, matrix @ v))) for name, matrix in self._matrices().items()}
        scale = max(abs(out["absorbed_W"]), abs(out["extinction_W"]), np.finfo(float).tiny)
        missing = out["extinction_W"] - out["absorbed_W"] - out["scattered_W"] - out.get("lost_W", 0.0)
        return {**out, "closure": abs(missing) / scale}

    def losses(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Power lost in every part of the coil that is told apart [W]; weights as of :meth:`power`."""
        v = self._weights(weights)
        return {name: float(np.real(np.vdot(v, matrix @ v))) for name, matrix in self.lost_parts_W.items()}

    def combined(self, weights: np.ndarray) -> PowerBalance:
        """The 1 x 1 (or n x n) balance of drives: M -> W^H M W for weights W of shape (port,) or (port, n)."""
        W = np.asarray(weights, complex).reshape(self.absorbed_W.shape[0], -1)
        parts = {name: W.conj().T @ m @ W for name, m in self.lost_parts_W.items()}
        return PowerBalance(**{name: W.conj().T @ m @ W for name, m in self._matrices().items()}, lost_parts_W=parts)

    def _weights(self, weights: np.ndarray | None) -> np.ndarray:
        n = self.absorbed_W.shape[0]
        v = np.ones(n) if weights is None else np.asarray(weights)
        if v.shape != (n,):
            raise InputError("drive does not fit the ports", found=v.shape, expected=f"{n} weights")
        return v

    def _matrices(self) -> dict[str, np.ndarray]:
        out = {"absorbed_W": self.absorbed_W, "extinction_W": self.extinction_W, "scattered_W": self.scattered_W}
        return out if self.lost_W is None else {**out, "lost_W": self.lost_W}


@read_only(units={"E": "V/m per {drive_unit}", "B": "T per {drive_unit}"})
@dataclass(frozen=True, eq=False)
class Fields:
    """Electric and magnetic field of every port, per unit drive, on the Yee grid of the phantom.

    Parameters
    ----------
    grid : Grid
        The phantom's grid.
    frequency_Hz : float
        Frequency [Hz].
    E : (port, 3, nx + 1, ny + 1, nz + 1) complex ndarray
        Total electric field on the edges, peak phasors [V/m per drive unit].
    B : (port, 3, nx + 1, ny + 1, nz + 1) complex ndarray
        Total magnetic flux density on the faces, peak phasors [T per drive unit].
    body : (nx, ny, nz) bool ndarray
        Voxels that are tissue (not background).
    body_mass_kg : float
        Mass of these voxels [kg].
    power : PowerBalance
        Power of every pair of ports per squared drive unit.
    ports : tuple of str
        Port names.
    drives : mapping of str to (port,) complex arrays
        Named drive vectors of the coil, such as "quadrature".
    drive_unit : str
        What one unit of drive is: "A" (peak ampere in the port's current path) or "V/m" for a plane wave.
    residual : (port,) ndarray
        Relative residual of the linear system at the end, recomputed from the solution.
    convergence : mapping
        Iterations, tolerance, history per port and what the tolerance means for E.
    provenance : mapping
        Engine, options, versions, hashes, device.
    metal : ImplantedBody, optional
        Metal that was in the body, on the same voxels: it carries surface currents, and is neither tissue nor air.
    lead_currents : mapping of str to LeadResponse
        Currents per port of leads that were in the body, by name [A per drive unit].
    """

    grid: Grid
    frequency_Hz: float
    E: np.ndarray
    B: np.ndarray
    body: np.ndarray
    body_mass_kg: float
    power: PowerBalance
    ports: tuple[str, ...]
    drives: Mapping[str, np.ndarray]
    drive_unit: str
    residual: np.ndarray
    convergence: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metal: ImplantedBody | None = None
    lead_currents: Mapping[str, LeadResponse] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.ports), 3, *self.grid.node_shape)
        for name in ("E", "B"):
            fits(name, getattr(self, name), shape, problem="field array does not fit grid and ports")
        if self.metal is not None:
            fits("metal", self.metal.metal, self.grid.shape)

    @property
    def is_driven(self) -> bool:
        """Whether there is one port only, so that SAR has a meaning."""
        return len(self.ports) == 1

    def E_centre(self) -> np.ndarray:
        """E at the voxel centres, mean of the four parallel edges, (port, 3, nx, ny, nz) [V/m per drive unit]."""
        return np.stack([_mean_over(self.E[:, c], [a for a in range(3) if a != c]) for c in range(3)], axis=1)

    def B_centre(self) -> np.ndarray:
        """B at the voxel centres, mean of the two opposite faces, (port, 3, nx, ny, nz) [T per drive unit]."""
        return np.stack([self._B_centre(c) for c in range(3)], axis=1)

    def b1plus(self) -> np.ndarray:
        """B1+ = (Bx + j By) / 2 at the voxel centres, (port, nx, ny, nz) complex [T per drive unit]."""
        return 0.5 * (self._B_centre(0) + 1j * self._B_centre(1))

    def b1minus(self) -> np.ndarray:
        """B1- = conj(Bx - j By) / 2 at the voxel centres, (port, nx, ny, nz) complex [T per drive unit]."""
        return 0.5 * np.conj(self._B_centre(0) - 1j * self._B_centre(1))

    def drive(self, weights: str | Sequence[complex] | np.ndarray) -> Fields:
        """Fields of one drive of all ports.

        Parameters
        ----------
        weights : str or (port,) complex
            Name of one of ``drives`` or a vector of complex port amplitudes [drive units].

        Raises
        ------
        InputError
            For an unknown name or a vector that does not fit the ports.
        """
        name, v = named_drive(weights, self.drives, len(self.ports))
        low = backend.of(self.E).asarray(v, dtype=self.E.dtype)
        return replace(
            self,
            E=owned(np.tensordot(low, self.E, 1)[None]),
            B=owned(np.tensordot(low, self.B, 1)[None]),
            power=self.power.combined(v),
            lead_currents={k: r.combined(v) for k, r in self.lead_currents.items()},
            ports=(name,),
            drives={name: np.ones(1, complex)},
            provenance={
                # A scale belongs to the drive it was made for.
                **{k: v for k, v in self.provenance.items() if k != "scale"},
                **drive_told(name, v),
            },
        )

    def scale(
        self,
        *,
        b1plus_rms_T: float | None = None,
        whole_body_sar_W_kg: float | None = None,
        absorbed_power_W: float | None = None,
        input_power_W: float | None = None,
        over: str | Vector | np.ndarray = "isocentre",
        accept: Sequence[str] = (),
    ) -> Fields:
        """Driven fields scaled to exactly one of the given targets.

        Parameters
        ----------
        b1plus_rms_T : float
            Mean of abs(B1+) over the region ``over`` after scaling [T].
        whole_body_sar_W_kg : float
            Absorbed power over the mass of the phantom [W/kg].
        absorbed_power_W, input_power_W : float
            Power dissipated in the body; the same plus what is radiated and lost in the coil's elements [W].
        over : "isocentre", "slice", "body", point or mask
            Region for B1+: the voxel at the isocentre, the body's voxels in the axial slice through it, all body
            voxels, the voxel at a point (x, y, z) [m], or a bool array (nx, ny, nz).
        accept : sequence of str
            Names of thresholds of validity that may be passed: "b1plus_share", "b1plus_air".

        Raises
        ------
        InputError
            When the ports are not combined yet, not exactly one target is given, or the region is empty; for B1+ also
            when little of the field turns in its sense, or most of the region is air.
        """
        self.require_driven()
        targets = {
            "b1plus_rms_T": b1plus_rms_T,
            "whole_body_sar_W_kg": whole_body_sar_W_kg,
            "absorbed_power_W": absorbed_power_W,
            "input_power_W": input_power_W,
        }
        given = {k: v for k, v in targets.items() if v is not None}
        if len(given) != 1:
            raise InputError(
                "one target to scale to", found=sorted(given), expected=f"exactly one of {sorted(targets)}"
            )
        (name, target), power = next(iter(given.items())), self.power.power()
        positive(name, target, problem="target must be positive")
        told: dict[str, float] = {}
        if name == "b1plus_rms_T":
            now, told = self._b1plus_over(self.region(over))
            factor = target / now if now > 0 else np.inf
        else:
            now = {
                "whole_body_sar_W_kg": power["absorbed_W"] / self.body_mass_kg if self.body_mass_kg > 0 else 0.0,
                "absorbed_power_W": power["absorbed_W"],
                "input_power_W": power["absorbed_W"] + power["scattered_W"] + power.get("lost_W", 0.0),
            }[name]
            factor = float(np.sqrt(target / now)) if now > 0 else np.inf
        if not np.isfinite(factor):
            raise InputError("cannot scale fields that are zero there", field=name, found=now, expected="a value > 0")
        require_plausible(told, accept)
        where = over if isinstance(over, str) else "mask"
        if not isinstance(over, str) and np.asarray(over).dtype != bool:
            where = f"point {tuple(float(p) for p in over)} m"
        scaled = {"target": name, "value": float(target), "factor": float(factor)}
        return replace(
            self,
            E=owned(self.E * self.E.real.dtype.type(factor)),
            B=owned(self.B * self.B.real.dtype.type(factor)),
            power=self.power.combined(np.array([factor])),
            lead_currents={k: r.combined(np.array([factor])) for k, r in self.lead_currents.items()},
            provenance={
                **self.provenance,
                "scale": scaled | ({"over": where, **told} if name == "b1plus_rms_T" else {}),
            },
        )

    def region(self, over: str | Vector | np.ndarray) -> np.ndarray:
        """Mask (nx, ny, nz) of a named region, a point or a mask; see :meth:`scale`."""
        return region_mask(self.grid, self.body, over)

    def measures(self) -> list[Measure]:
        """How far these fields can be trusted, for :func:`emdose.validity.judge`.

        Residual over tolerance and estimated error of E of the worst port, cells per wavelength, the closure of the
        power balance (of the drive, or of the worst named one while the ports are not combined), where B1+ was scaled,
        and metal that the voxels lose.
        """
        told = dict(self.convergence)
        estimates = told.get("E_error_estimate", [])
        if not isinstance(estimates, Sequence) or len(estimates) != len(self.residual):
            estimates = []
        names = self.ports if len(self.ports) == len(self.residual) else map(str, range(len(self.residual)))
        rows: list[dict[str, Any]] = [
            {"name": n, "residual": r} for n, r in zip(names, np.asarray(self.residual, float).tolist(), strict=True)
        ]
        for row, estimate in zip(rows, estimates, strict=False):
            row["E_error_estimate"] = estimate
        drives = {self.ports[0]: np.ones(1)} if self.is_driven else dict(self.drives)
        closures = {name: self.power.power(v)["closure"] for name, v in drives.items()}
        scale = of_scale(self.provenance.get("scale") or {})
        metal = [] if self.metal is None else self.metal.measures()
        return [*of_ports(told, rows), *worst("closure", closures, many=not self.is_driven), *scale, *metal]

    def discretisation(self) -> Discretisation:
        """How finely the voxels resolve the body, and how uncertain that leaves E, B1+, powers and SAR."""
        return of_fields(self)

    def require_driven(self) -> None:
        """Raise InputError unless the ports have been combined by :meth:`drive`."""
        if not self.is_driven:
            raise InputError(
                f"fields of {len(self.ports)} ports",
                expected=f"one drive: call .drive({sorted(self.drives)}) first",
            )

    def _b1plus_over(self, mask: np.ndarray) -> tuple[float, dict[str, float]]:
        """Mean of abs(B1+) over a mask [T], and what is measured of a scale by it."""
        plus, minus = (np.abs(b[0])[mask] for b in (self.b1plus(), self.b1minus()))
        here, all_of = float(np.mean(plus**2)), float(np.mean(plus**2 + minus**2))
        share = here / all_of if all_of > 0 else np.nan
        return float(np.mean(plus)), {"b1plus_share": share, "b1plus_air": 1.0 - float(np.mean(self.body[mask]))}

    def _B_centre(self, c: int) -> np.ndarray:
        return _mean_over(self.B[:, c], [c])


def named_drive(
    weights: str | Sequence[complex] | np.ndarray, drives: Mapping[str, np.ndarray], ports: int
) -> tuple[str, np.ndarray]:
    """Name and weights (port,) of a drive; raises InputError for an unknown name or weights that do not fit."""
    name = weights if isinstance(weights, str) else "custom"
    if isinstance(weights, str):
        one_of("drive", weights, drives, problem="unknown drive")
        weights = drives[weights]
    v = np.asarray(weights, complex)
    if v.shape != (ports,) or not np.all(np.isfinite(v)):
        raise InputError(
            "drive does not fit the ports",
            field="drive",
            found=v.shape,
            expected=f"{ports} finite complex amplitudes",
        )
    return name, v


def drive_told(name: str, weights: np.ndarray) -> dict[str, Any]:
    """What a provenance says about the drive of its fields."""
    return {DRIVE: {"name": name, "weights": [[float(w.real), float(w.imag)] for w in weights]}}


def phantom_told(phantom: Phantom, frequency_Hz: float) -> dict[str, Any]:
    """What a provenance says about the body of its fields."""
    return {
        "name": phantom.name,
        "sha256": phantom.hash(),
        "electric_sha256": phantom.electric_hash(frequency_Hz),
        "shape": list(phantom.grid.shape),
        "spacing_m": phantom.grid.spacing_m[0],
    }


def region_mask(grid: Grid, body: np.ndarray, over: str | Vector | np.ndarray) -> np.ndarray:
    """Mask (nx, ny, nz) of a region of a grid with a body; see :meth:`Fields.scale`."""
    if isinstance(over, np.ndarray) and over.dtype == bool:
        mask = over
        if mask.shape != grid.shape:
            raise InputError(
                "mask does not fit the grid",
                field="over",
                found=mask.shape,
                expected=str(grid.shape),
            )
    elif isinstance(over, str) and over == "body":
        mask = body
    elif isinstance(over, str) and over == "slice":
        mask = np.zeros(grid.shape, bool)
        k = grid.index_of((*_middle(grid)[:2], 0.0))[2]
        mask[:, :, k] = body[:, :, k]
    else:
        if isinstance(over, str) and over != "isocentre":
            raise unknown(
                "unknown region", over, ("isocentre", "slice", "body"), field="over", also="a point or a mask"
            )
        point = (0.0, 0.0, 0.0) if isinstance(over, str) else over
        x, y, z = vector("over", point, problem="not a point", expected="three metres or a bool mask").tolist()
        mask = np.zeros(grid.shape, bool)
        mask[grid.index_of((x, y, z))] = True
    if not mask.any():
        raise InputError(
            "region is empty",
            field="over",
            found=over if isinstance(over, str) else "mask",
            expected="at least one voxel",
        )
    return mask


def require_plausible(told: Mapping[str, float], accept: Sequence[str] = (), field: str = "over") -> None:
    """Raise InputError when a scale to B1+ is not plausible; ``told`` has the keys of ``provenance["scale"]``."""
    judged = judge(of_scale(told), accept)
    if not judged.is_valid:
        names = [f.name for f in judged.findings if f.level == NOT_VALID and not f.accepted]
        raise InputError(judged.reasons[0].rstrip("."), field=field, expected=f"so, or accept = {names}")


def _mean_over(a: np.ndarray, axes: list[int]) -> np.ndarray:
    """Mean of neighbours along ``axes`` of a (port, nodes...) array, cut to voxels along the others."""
    keep = [slice(None)] + [slice(None) if ax in axes else slice(0, -1) for ax in range(3)]
    a = a[tuple(keep)]
    for ax in axes:
        low = [slice(None)] * 4
        high = [slice(None)] * 4
        low[ax + 1], high[ax + 1] = slice(0, -1), slice(1, None)
        a = 0.5 * (a[tuple(low)] + a[tuple(high)])
    return a


def _middle(grid: Grid) -> Vector:
    return tuple(0.5 * (a + b) for a, b in zip(*grid.bounds_m, strict=True))  # type: ignore[return-value]
