"""A lead in a homogeneous lossy medium by a thin-wire moment method: the currents that any field drives in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from emdose.checks import array, not_negative, number, one_of, positive
from emdose.constants import EPS_0, MU_0
from emdose.errors import InputError
from emdose.models.leads import Lead
from emdose.solvers.leads.series import coat_elastance, coat_impedance, round_wire
from emdose.solvers.leads.wire_segments import WireSegments, kernel_at, kernel_integrals, split_path
from emdose.values import owned, read_only

MOST = 2000
"""Most segments of a lead."""


@read_only(units={"current_A": "A"})
@dataclass(frozen=True, eq=False)
class LeadCurrents:
    """Currents of a lead in one or several fields.

    Parameters
    ----------
    distance_m : (n,) ndarray
        Distance from the tip along the path [m].
    current_A : (case, n) complex ndarray
        Current of the conductor, positive away from the tip, peak phasors [A].
    power_W : (case,) ndarray
        Mean power that the field gives to the lead: lost in its metal, and in the medium [W].
    metal_W : (case,) ndarray
        Of it, what its metal takes [W].
    """

    distance_m: np.ndarray
    current_A: np.ndarray
    power_W: np.ndarray
    metal_W: np.ndarray

    def at(self, distance_m: float) -> np.ndarray:
        """Currents (case,) at a distance from the tip, linear between the nodes [A]."""
        return np.array([np.interp(distance_m, self.distance_m, one) for one in self.current_A])


@read_only
@dataclass(frozen=True, eq=False)
class LeadInMedium:
    """A lead in an unbounded medium, ready for any field; made by :func:`lead_in_medium`.

    Parameters
    ----------
    lead : Lead
        The lead.
    frequency_Hz : float
        Frequency [Hz].
    permittivity, conductivity_S_m : float
        Of the medium, relative and [S/m].
    segments : WireSegments
        Its straight segments.
    nodes : (m,) int ndarray
        Nodes that carry a current; the ends do only where they end in a ball.
    impedance_ohm : (m, m) complex ndarray
        Voltages around the nodes against currents at them, symmetric [ohm].
    metal_ohm_m : complex
        Impedance per length of its metal [ohm/m].
    """

    lead: Lead
    frequency_Hz: float
    permittivity: float
    conductivity_S_m: float
    segments: WireSegments
    nodes: np.ndarray
    impedance_ohm: np.ndarray
    metal_ohm_m: complex

    @property
    def distance_m(self) -> np.ndarray:
        """Distance of all nodes from the tip along the path (n,) [m]."""
        return self.segments.distance_m

    def in_field(self, E: np.ndarray | Callable[[np.ndarray], np.ndarray]) -> LeadCurrents:
        """Currents in an incident field.

        Parameters
        ----------
        E : (3,) or (case, 3) complex, or callable
            Uniform field, or a function of points (n, 3) that gives (n, 3) or (case, n, 3), peak [V/m].

        Raises
        ------
        InputError
            When it does not fit.
        """
        x, w = _gauss(4)
        points, _ = self.segments.at(x)
        n, q = points.shape[:2]
        if callable(E):
            found = np.asarray(E(points.reshape(-1, 3)), complex)
        else:
            uniform = np.atleast_2d(np.asarray(E, complex))
            found = np.broadcast_to(uniform[:, None], (len(uniform), n * q, uniform.shape[-1]))
        if found.shape[-2:] != (n * q, 3) or not np.isfinite(found).all():
            raise InputError("field does not fit the lead", field="E", found=found.shape, expected=f"({n * q}, 3)")
        tangential = np.einsum("cnqa,na->cnq", found.reshape(-1, n, q, 3), self.segments.tangent)
        return self._solved(self._tested(tangential * w, x))

    def along(self, distance_m: np.ndarray, E_V_m: np.ndarray) -> LeadCurrents:
        """Currents in a tangential field E (n,) or (case, n) at distances (n,) from the tip, linear between [V/m]."""
        s = array("distance_m", distance_m, (None,), problem="bad distances")
        E = np.atleast_2d(np.asarray(E_V_m, complex))
        if E.shape[1] != len(s) or not np.isfinite(E).all():
            raise InputError("field does not fit the distances", field="E_V_m", found=E.shape, expected=f"{len(s)}")
        x, w = _gauss(4)
        _, at = self.segments.at(x)
        values = np.stack([np.interp(at, s, e) for e in E])
        return self._solved(self._tested(values * w, x))

    def gaps(self, distance_m: np.ndarray | float, volt: complex = 1.0) -> LeadCurrents:
        """Currents of voltages in gaps, one case each, at the nodes nearest to distances from the tip [m]."""
        wanted = np.atleast_1d(np.asarray(distance_m, float))
        at = np.abs(self.distance_m[self.nodes][:, None] - wanted).argmin(axis=0)
        V = np.zeros((len(wanted), len(self.nodes)), complex)
        V[np.arange(len(wanted)), at] = volt
        return self._solved(V)

    def pieces(self, low_m: np.ndarray, high_m: np.ndarray) -> LeadCurrents:
        """Currents of a tangential field of 1 V/m on pieces of the lead alone, one case each.

        Parameters
        ----------
        low_m, high_m : (case,) ndarray
            Where each piece begins and ends, from the tip along the path [m].
        """
        s, h = self.distance_m, np.diff(self.distance_m)
        a = np.clip((np.asarray(low_m, float)[:, None] - s[:-1]) / h, 0, 1)
        b = np.clip((np.asarray(high_m, float)[:, None] - s[:-1]) / h, 0, 1)
        up = 0.5 * (b**2 - a**2) * self.segments.length_m
        V = np.zeros((len(a), len(s)), complex)
        V[:, 1:] += up
        V[:, :-1] += (b - a) * self.segments.length_m - up
        return self._solved(V[:, self.nodes])

    def _tested(self, weighted: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Voltages (case, node) of a field (case, segment, point) that holds the weights of a rule."""
        h = self.segments.length_m
        V = np.zeros((len(weighted), len(h) + 1), complex)
        V[:, :-1] += (weighted * (1 - x)).sum(-1) * h
        V[:, 1:] += (weighted * x).sum(-1) * h
        return V[:, self.nodes]

    def _solved(self, V: np.ndarray) -> LeadCurrents:
        found = lu_solve(lu_factor(self.impedance_ohm), V.T).T
        current = np.zeros((len(V), len(self.distance_m)), complex)
        current[:, self.nodes] = found
        size = np.abs(current) ** 2
        square = size[:, :-1] + size[:, 1:] + np.real(current[:, :-1] * current[:, 1:].conj())
        metal = 0.5 * self.metal_ohm_m.real * (square / 3) @ self.segments.length_m
        power = 0.5 * np.real(np.einsum("cn,cn->c", found.conj(), V))
        return LeadCurrents(self.distance_m, owned(current), owned(power), owned(metal))


def lead_in_medium(
    lead: Lead,
    frequency_Hz: float,
    permittivity: float,
    conductivity_S_m: float,
    *,
    segment_m: float | None = None,
    kernel: str = "axis",
    tip_ball_m: float | None = None,
    end_ball_m: float | None = None,
    loads_ohm: Mapping[float, complex] | None = None,
) -> LeadInMedium:
    r"""A lead in an unbounded lossy medium, by Galerkin's method with currents that are linear between nodes.

    jw mu0 <G> + <G'> / (sigma + jw eps) with the kernel G = exp(-j k R) / (4 pi R), R^2 = distance^2 + b^2. The
    insulation adds jw mu0 ln(b/a) / (2 pi) in series and ln(b/a) / (2 pi jw eps2) against dI/ds, the metal the
    impedance of a round wire, a helix its inductance. Bare parts have no insulation, and the radius of their metal
    stands for b; between two radii b^2 is the mean of the squares.

    Parameters
    ----------
    lead : Lead
        The lead; its path may bend.
    frequency_Hz : float
        Frequency [Hz].
    permittivity, conductivity_S_m : float
        Of the medium, relative and [S/m].
    segment_m : float, optional
        Longest segment [m]; by default a hundredth of the lead, and at most a fortieth of a wavelength, but no less
        than 0.3 outer radii.
    kernel : {"axis", "tube"}
        Currents on the axis, tested at the radius, or both on a tube; see the notes.
    tip_ball_m, end_ball_m : float, optional
        Radius of a metal ball that ends the lead, as an electrode or a can of that size does [m]; without one the end
        is open, or the bare wire.
    loads_ohm : mapping of float to complex, optional
        Impedances in series, by their distance from the tip [m].

    Raises
    ------
    InputError
        When a value is out of range, or the lead has more segments than are solved for.

    Notes
    -----
    Coated wires hardly depend on kernel and segments (1e-3). At bare open ends they differ: with the kernel of the axis
    the current keeps growing slowly as segments shrink, and makes no sense below a tenth of the radius; with that of
    the tube it converges, to the current of a tube without end faces. A rod of 3.2 mm, 5 cm long, at 64 MHz: axis 0.536
    to 0.561 mA per V/m (segments of 0.8 to 0.2 radii), tube 0.519; 20 cm long: 3.436 to 3.417 and 3.432. Parts of a
    path must lie further apart than a few radii.

    Source: R. F. Harrington, Field Computation by Moment Methods, Macmillan 1968.
    """
    f = positive("frequency_Hz", frequency_Hz)
    eps, sigma = positive("permittivity", permittivity), not_negative("conductivity_S_m", conductivity_S_m)
    one_of("kernel", kernel, ("axis", "tube"), problem="unknown kernel")
    w = 2 * np.pi * f
    admitted = sigma + 1j * w * eps * EPS_0
    k = complex(np.sqrt(-1j * w * MU_0 * admitted))
    radius = lead.outer_radius_m
    if segment_m is None:
        segment_m = max(min(lead.length_m / 100, 2 * np.pi / abs(k) / 40), 0.3 * radius)
    else:
        positive("segment_m", segment_m)
    loads = {float(s): complex(Z) for s, Z in (loads_ohm or {}).items()}
    for s in loads:
        if not 0 < number("loads_ohm", s) < lead.length_m:
            raise InputError("load off the lead", field="loads_ohm", found=s, expected=f"0 to {lead.length_m:.4g} m")
    ends = (lead.bare_tip_m, lead.length_m - lead.bare_end_m)
    segments = split_path(lead.path_m, segment_m, (*ends, *loads))
    n = len(segments.length_m)
    if n > MOST or n < 2:
        raise InputError(
            "segments do not fit the lead", field="segment_m", found=f"{n} segments", expected=f"2 to {MOST}"
        )
    metal = 0j if lead.conductivity_S_m is None else round_wire(f, lead.conductor_radius_m, lead.conductivity_S_m)
    Z = _matrix(lead, segments, f, k, admitted, metal, (tip_ball_m, end_ball_m), kernel == "tube")
    for s, load in loads.items():
        at = int(np.abs(segments.distance_m - s).argmin())
        Z[at, at] += load
    nodes = np.arange(0 if tip_ball_m else 1, n + 1 if end_ball_m else n)
    Z = Z[np.ix_(nodes, nodes)]
    return LeadInMedium(lead, f, eps, sigma, segments, owned(nodes), owned(Z), metal)


def _matrix(
    lead: Lead,
    segments: WireSegments,
    frequency_Hz: float,
    k: complex,
    admitted: complex,
    metal: complex,
    balls: tuple[float | None, float | None],
    tube: bool,
) -> np.ndarray:
    """Impedance of all nodes (n + 1, n + 1) [ohm]."""
    w, h = 2 * np.pi * frequency_Hz, segments.length_m
    n, a, b = len(h), lead.conductor_radius_m, lead.outer_radius_m
    coated = lead.is_coated_at(0.5 * (segments.distance_m[1:] + segments.distance_m[:-1]))
    radius = np.where(coated, b, lead.contact_radius_m)
    pairs = kernel_integrals(segments, k, radius, tube)
    turned = 1j * w * MU_0 * (segments.tangent @ segments.tangent.T)
    series = np.full(n, metal + 1j * w * lead.inductance_H_m)
    elastance = np.zeros(n, complex)
    if lead.coat_radius_m is not None:
        series += coated * coat_impedance(frequency_Hz, a, b)
        elastance += coated * coat_elastance(frequency_Hz, a, b, lead.coat_permittivity)
    Z = np.zeros((n + 1, n + 1), complex)
    for i in (0, 1):
        for j in (0, 1):
            Z[i : n + i, j : n + j] += turned * pairs[i, j]
            at = np.arange(n)
            Z[at + i, at + j] += series * h * (1 / 3 if i == j else 1 / 6)
    # Potentials of charges: those of the segments, and of a ball at either end.
    potential = np.zeros((n + 2, n + 2), complex)
    potential[1:-1, 1:-1] = pairs.sum((0, 1)) / (h[:, None] * h) + np.diag(elastance / h * admitted)
    derivative = np.zeros((n + 2, n + 1))
    derivative[np.arange(1, n + 1), np.arange(1, n + 1)] = 1
    derivative[np.arange(1, n + 1), np.arange(n)] = -1
    for end, (row, node, sign) in enumerate(((0, 0, 1.0), (n + 1, n, -1.0))):
        ball = balls[end]
        if ball is None:
            continue
        positive("tip_ball_m" if end == 0 else "end_ball_m", ball)
        centre = segments.points_m[node] - sign * ball * segments.tangent[0 if end == 0 else -1]
        potential[row, 1:-1] = potential[1:-1, row] = kernel_at(segments, centre[None], k, radius)[0]
        potential[row, row] = 1 / (4 * np.pi * ball)
        derivative[row, node] = sign
    if balls[0] is not None and balls[1] is not None:
        apart = float(np.linalg.norm(segments.points_m[-1] - segments.points_m[0])) + balls[0] + balls[1]
        potential[0, -1] = potential[-1, 0] = np.exp(-1j * k * apart) / (4 * np.pi * apart)
    Z += derivative.T @ (potential / admitted) @ derivative
    return 0.5 * (Z + Z.T)


def _gauss(n: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (x + 1), 0.5 * w
