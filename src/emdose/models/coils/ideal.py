"""Sources of the incident field: ideal-current coils made of straight filaments, and the plane wave."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import all_positive, positive, vector, whole
from emdose.errors import EmdoseWarning, InputError
from emdose.models.grids.grid import Vector

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

ARC_STEP = math.radians(6.0)
"""Largest angle of one straight piece of an arc [rad]; a 60-gon differs from its circle by 0.2 % in area."""


@dataclass(frozen=True)
class Shield:
    """A cylindrical RF shield of perfect conductor around the z axis, open at both ends, centred on the isocentre.

    Parameters
    ----------
    radius_m, length_m : float
        Radius and length of the cylinder [m].
    cells_around, cells_along : int
        Mesh of the current loops that represent it.

    Raises
    ------
    InputError
        When a length is not positive or the mesh is coarser than 8 x 2.
    """

    radius_m: float
    length_m: float
    cells_around: int = 32
    cells_along: int = 16

    def __post_init__(self) -> None:
        positive("shield radius_m", self.radius_m)
        positive("shield length_m", self.length_m)
        whole("shield cells_around", self.cells_around, 8)
        whole("shield cells_along", self.cells_along, 2)


@dataclass(frozen=True, eq=False)
class Coil:
    """Straight filaments that carry ideal currents, and the ports that set them.

    The currents must be free of divergence at every node (Kirchhoff's current law), so that the coil holds no charge
    and its field is that of the vector potential alone.

    Parameters
    ----------
    name : str
        Name shown in reports.
    segments : (n, 2, 3) float ndarray
        Start and end of every filament [m].
    currents : (port, n) complex ndarray
        Peak current from start to end per unit drive of each port [A].
    ports : sequence of str
        Port names.
    drives : mapping of str to (port,) complex
        Named drive vectors.
    drive_unit : str
        Unit of a drive, "A".
    parameters : mapping
        What the coil was built from, for the provenance.
    shield : Shield, optional
        A perfectly conducting cylinder around the coil; its currents follow from the coil's at each frequency.

    Raises
    ------
    InputError
        When arrays do not fit each other, are not finite, a filament has no length, or a node collects current.
    """

    name: str
    segments: np.ndarray
    currents: np.ndarray
    ports: Sequence[str]
    drives: Mapping[str, Any]
    drive_unit: str = "A"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    shield: Shield | None = None

    def __post_init__(self) -> None:
        segments = np.array(self.segments, float)
        currents = np.array(self.currents, complex)
        ports = tuple(str(p) for p in self.ports)
        if segments.ndim != 3 or segments.shape[1:] != (2, 3) or not len(segments):
            raise InputError("bad coil segments", field="segments", found=segments.shape, expected="shape (n, 2, 3)")
        if currents.shape != (len(ports), len(segments)) or not ports:
            raise InputError(
                "currents do not fit ports and segments",
                field="currents",
                found=currents.shape,
                expected=str((len(ports), len(segments))),
            )
        if not (np.all(np.isfinite(segments)) and np.all(np.isfinite(currents))):
            raise InputError("coil holds a value that is not finite", field="segments, currents")
        if np.any(np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1) == 0):
            raise InputError("a coil segment has no length", field="segments")
        if len(set(ports)) != len(ports):
            raise InputError("two ports share a name", field="ports", found=ports)
        drives = {}
        for key, value in self.drives.items():
            vector = np.asarray(value, complex)
            if vector.shape != (len(ports),) or not np.all(np.isfinite(vector)):
                raise InputError(
                    "drive does not fit the ports",
                    field=f"drives.{key}",
                    found=vector.shape,
                    expected=f"{len(ports)} finite complex amplitudes",
                )
            drives[str(key)] = vector
        for array in (segments, currents):
            array.flags.writeable = False
        for key, value in (("segments", segments), ("currents", currents), ("ports", ports), ("drives", drives)):
            object.__setattr__(self, key, value)
        self._require_kirchhoff()
        if self.shield is not None:
            self._require_inside_shield(self.shield)

    @property
    def extent_m(self) -> tuple[Vector, Vector]:
        """Low and high corner of the box around the conductors, the shield not counted [m]."""
        points = self.segments.reshape(-1, 3)
        return tuple(map(float, points.min(0))), tuple(map(float, points.max(0)))  # type: ignore[return-value]

    def check_clear_of(self, phantom: Phantom) -> None:
        """Make sure that no conductor runs through the body.

        Parameters
        ----------
        phantom : Phantom
            The body.

        Raises
        ------
        InputError
            When a filament or the shield passes through a body voxel; the text names the place.

        Warns
        -----
        EmdoseWarning
            When a conductor comes closer to the body than one voxel, where the near field is not resolved.
        """
        grid, body = phantom.grid, np.asarray(phantom.body, bool)
        step = 0.25 * min(grid.spacing_m)
        points = _sample(self.segments, step)
        hit = _body_index(points, grid.origin_m, grid.spacing_m, body)
        if hit is not None:
            where, voxel = hit
            raise InputError(
                f"conductor of {self.name!r} runs through the body at "
                f"({', '.join(f'{1e3 * c:.1f}' for c in where)}) mm, in {_tissue_name(phantom, voxel)}",
                field="coil",
                expected="conductors outside the body (larger radius, or move the phantom)",
            )
        if self.shield is not None:
            self._check_shield_clear_of(phantom, self.shield)
        near = _dilate(body)
        if (
            _body_index(
                points, [o - s for o, s in zip(grid.origin_m, grid.spacing_m, strict=True)], grid.spacing_m, near
            )
            is not None
        ):
            warnings.warn(
                f"a conductor of {self.name!r} is closer to the body than one voxel ({1e3 * min(grid.spacing_m):g} mm):"
                " its near field is not resolved there; use a smaller spacing or more distance",
                EmdoseWarning,
                stacklevel=2,
            )

    def _require_kirchhoff(self) -> None:
        ends = self.segments.reshape(-1, 3)
        size = float(np.ptp(ends, axis=0).max())
        _, node = np.unique(np.round(ends / (1e-7 * size) + 0.2137).astype(np.int64), axis=0, return_inverse=True)
        node = node.reshape(-1, 2)
        net = np.zeros((len(self.ports), int(node.max()) + 1), complex)
        for p in range(len(self.ports)):
            np.add.at(net[p], node[:, 1], self.currents[p])
            np.add.at(net[p], node[:, 0], -self.currents[p])
        scale = np.abs(self.currents).max()
        if np.abs(net).max() > 1e-6 * scale:
            p, n = (int(v) for v in np.unravel_index(int(np.abs(net).argmax()), net.shape))
            place = ends[int(np.flatnonzero(node.ravel() == n)[0])]
            raise InputError(
                f"currents of port {self.ports[p]!r} do not close at ({', '.join(f'{1e3 * c:.1f}' for c in place)}) mm",
                field="currents",
                found=f"a net current of {np.abs(net[p, n]):.3g} A",
                expected="zero at every node (Kirchhoff)",
            )

    def _require_inside_shield(self, shield: Shield) -> None:
        radius = float(np.hypot(*np.moveaxis(self.segments[..., :2], -1, 0)).max())
        if radius >= 0.99 * shield.radius_m:
            raise InputError(
                "coil touches its shield",
                field="shield_radius_m",
                found=shield.radius_m,
                expected=f"> {radius / 0.99:.3g} m",
            )

    def _check_shield_clear_of(self, phantom: Phantom, shield: Shield) -> None:
        x, y, z = phantom.grid.centre_points()
        shell = np.abs(np.hypot(x, y) - shield.radius_m) <= 0.75 * max(phantom.grid.spacing_m)
        cut = np.asarray(phantom.body, bool) & shell & (np.abs(z) <= 0.5 * shield.length_m)
        if cut.any():
            i = tuple(int(c) for c in np.argwhere(cut)[0])
            where = [phantom.grid.centres(a)[i[a]] for a in range(3)]
            raise InputError(
                f"the shield of {self.name!r} runs through the body at "
                f"({', '.join(f'{1e3 * c:.1f}' for c in where)}) mm, in {_tissue_name(phantom, i)}",
                field="shield_radius_m",
                found=shield.radius_m,
                expected="a shield outside the body",
            )


@dataclass(frozen=True, eq=False)
class PlaneWave:
    """A plane wave E = amplitude p exp(-j k d.r).

    Parameters
    ----------
    direction : (float, float, float)
        Direction of travel d; it is normalised.
    polarisation : (complex, complex, complex)
        Polarisation p of E, orthogonal to the direction; it is normalised (p* . p = 1). (1, 1j, 0) is circular.
    amplitude_V_m : float
        Peak electric field per unit drive [V/m].

    Raises
    ------
    InputError
        For vectors without length or that are not orthogonal, and for an amplitude that is not positive.
    """

    direction: Vector = (0.0, 0.0, 1.0)
    polarisation: tuple[complex, complex, complex] = (1.0, 0.0, 0.0)
    amplitude_V_m: float = 1.0
    name: str = "plane wave"
    ports: tuple[str, ...] = ("wave",)
    drive_unit: str = "V/m"

    def __post_init__(self) -> None:
        positive("amplitude_V_m", self.amplitude_V_m)
        d, p = np.asarray(self.direction, float), np.asarray(self.polarisation, complex)
        for key, v in (("direction", d), ("polarisation", p)):
            if v.shape != (3,) or not np.all(np.isfinite(v)) or np.linalg.norm(v) == 0:
                raise InputError("bad vector", field=key, found=getattr(self, key), expected="three finite numbers")
        d, p = d / np.linalg.norm(d), p / np.linalg.norm(p)
        if abs(d @ p) > 1e-6:
            raise InputError(
                "polarisation is not orthogonal to the direction",
                field="polarisation",
                found=self.polarisation,
                expected=f"orthogonal to {tuple(self.direction)}",
            )
        object.__setattr__(self, "direction", tuple(float(c) for c in d))
        object.__setattr__(self, "polarisation", tuple(complex(c) for c in p))

    @property
    def drives(self) -> dict[str, np.ndarray]:
        """The one named drive, "unit"."""
        return {"unit": np.ones(1, complex)}

    @property
    def parameters(self) -> dict[str, Any]:
        """Direction, polarisation and amplitude, for the provenance."""
        return {
            "direction": list(self.direction),
            "polarisation": [[c.real, c.imag] for c in self.polarisation],
            "amplitude_V_m": self.amplitude_V_m,
        }

    def check_clear_of(self, phantom: Phantom) -> None:
        """Do nothing: a plane wave has no conductors."""


def Birdcage(
    rungs: int = 16,
    *,
    radius_m: float = 0.15,
    length_m: float = 0.20,
    shield_radius_m: float | None = None,
    shield_length_m: float | None = None,
    name: str = "birdcage",
) -> Coil:
    r"""Ideal-current birdcage: rungs along z with sinusoidal currents, end rings by Kirchhoff's law.

    Port "cosine" carries cos(phi_n) ampere in rung n at the angle phi_n = 2 pi n / rungs (positive along +z), port
    "sine" sin(phi_n); each end-ring arc carries the running sum of the rung currents, without circulating part:

    .. math:: K_n = \frac{\sin(\varphi_n + \pi/N)}{2 \sin(\pi/N)}  \quad \text{(cosine port)}

    Drives: "quadrature" = (1, -j), rung currents exp(-j phi_n), turns in the sense of B1+; "anti-quadrature" = (1, j);
    "linear" = (1, 0).

    Parameters
    ----------
    rungs : int
        Number of rungs, at least 4.
    radius_m, length_m : float
        Radius of the rungs and distance of the end rings [m].
    shield_radius_m, shield_length_m : float, optional
        Cylindrical RF shield; its length is 1.5 times the coil's unless given [m].
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For fewer than 4 rungs, lengths that are not positive, or a shield inside the coil.

    Source: J. Jin, Electromagnetic Analysis and Design in Magnetic Resonance Imaging, CRC Press 1998, ch. 4 (ideal
    sinusoidal currents).
    """
    whole("rungs", rungs, 4)
    all_positive(radius_m=radius_m, length_m=length_m)
    phi = 2 * np.pi * np.arange(rungs) / rungs
    per_arc = max(1, math.ceil(2 * np.pi / rungs / ARC_STEP))
    half = 0.5 * length_m
    rung_ends = np.stack([on_cylinder(radius_m, phi, -half), on_cylinder(radius_m, phi, half)], axis=1)
    ring_phi = 2 * np.pi * np.arange(rungs * per_arc + 1) / (rungs * per_arc)
    rings = []
    for z in (half, -half):
        nodes = on_cylinder(radius_m, ring_phi, z)
        nodes[-1] = nodes[0]
        rings.append(np.stack([nodes[:-1], nodes[1:]], axis=1))
    rung = np.stack([np.cos(phi), np.sin(phi)])
    arc = np.cumsum(rung, axis=1)
    arc = np.repeat(arc - arc.mean(axis=1, keepdims=True), per_arc, axis=1)
    parameters: dict[str, Any] = {"kind": "birdcage", "rungs": rungs, "radius_m": radius_m, "length_m": length_m}
    shield = shield_around(shield_radius_m, shield_length_m, length_m, parameters)
    return Coil(
        name,
        np.concatenate([rung_ends, *rings]),
        np.concatenate([rung, arc, -arc], axis=1).astype(complex),
        ("cosine", "sine"),
        {"quadrature": [1, -1j], "anti-quadrature": [1, 1j], "linear": [1, 0]},
        parameters=parameters,
        shield=shield,
    )


def Loop(
    radius_m: float,
    *,
    centre_m: Sequence[float] = (0.0, 0.0, 0.0),
    normal: Sequence[float] = (0.0, 0.0, 1.0),
    segments: int = 96,
    name: str = "loop",
) -> Coil:
    """A circular loop with a uniform current, right-handed about its normal.

    The circle is a polygon of the same area, so that the magnetic moment is exact.

    Parameters
    ----------
    radius_m : float
        Radius [m].
    centre_m, normal : (float, float, float)
        Centre [m] and normal (normalised).
    segments : int
        Sides of the polygon, at least 8.
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For a radius that is not positive or vectors that cannot be used.
    """
    positive("radius_m", radius_m)
    whole("segments", segments, 8)
    centre, n = vector("centre_m", centre_m), vector("normal", normal)
    if np.linalg.norm(n) == 0:
        raise InputError("normal has no length", field="normal", found=tuple(normal), expected="a direction")
    n = n / np.linalg.norm(n)
    u = np.cross(n, np.eye(3)[int(np.argmin(np.abs(n)))])
    u /= np.linalg.norm(u)
    v = np.cross(n, u)
    phi = 2 * np.pi * np.arange(segments) / segments
    radius = radius_m * math.sqrt(2 * np.pi / segments / math.sin(2 * np.pi / segments))
    nodes = centre + radius * (np.cos(phi)[:, None] * u + np.sin(phi)[:, None] * v)
    return Coil(
        name,
        np.stack([nodes, np.roll(nodes, -1, axis=0)], axis=1),
        np.ones((1, segments), complex),
        ("loop",),
        {"unit": [1]},
        parameters={"kind": "loop", "radius_m": radius_m, "centre_m": centre.tolist(), "normal": n.tolist()},
    )


def LoopArray(
    elements: int = 8,
    *,
    radius_m: float = 0.14,
    length_m: float = 0.16,
    coverage: float = 0.9,
    shield_radius_m: float | None = None,
    shield_length_m: float | None = None,
    name: str = "loop array",
) -> Coil:
    """Rectangular loops on a cylinder about z, one port each.

    Element n sits at the angle 2 pi n / elements with its normal pointing outward. Drive "circular" gives element n
    the phase exp(-j phi_n), which turns in the sense of B1+; "anti-circular" the opposite; "uniform" no phase.

    Parameters
    ----------
    elements : int
        Number of loops, at least 1.
    radius_m, length_m : float
        Radius of the cylinder and length of the loops along z [m].
    coverage : float
        Angle of one loop over the pitch; above 1 neighbours overlap (their conductors then cross without contact).
    shield_radius_m, shield_length_m : float, optional
        Cylindrical RF shield; its length is 1.5 times the loops' unless given [m].
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that are not positive, or loops wider than half a turn.
    """
    whole("elements", elements, 1)
    all_positive(radius_m=radius_m, length_m=length_m, coverage=coverage)
    width = 2 * np.pi / elements * coverage if elements > 1 else min(coverage, 1.0) * np.pi / 2
    if width > np.pi:
        raise InputError(
            "loops wider than half a turn",
            field="coverage",
            found=coverage,
            expected=f"<= {elements / 2:g} for {elements} elements",
        )
    per_arc = max(2, math.ceil(width / ARC_STEP))
    half = 0.5 * length_m
    pieces, centres = [], 2 * np.pi * np.arange(elements) / elements
    for phi in centres:
        a = phi + width * (np.arange(per_arc + 1) / per_arc - 0.5)
        # Seen from outside: along +phi at the bottom, up, back along -phi at the top, down: normal outward.
        nodes = np.concatenate([on_cylinder(radius_m, a, -half), on_cylinder(radius_m, a[::-1], half)])
        pieces.append(np.stack([nodes, np.roll(nodes, -1, axis=0)], axis=1))
    each = len(pieces[0])
    currents = np.kron(np.eye(elements), np.ones((1, each))).astype(complex)
    parameters: dict[str, Any] = {
        "kind": "loop array",
        "elements": elements,
        "radius_m": radius_m,
        "length_m": length_m,
        "coverage": coverage,
    }
    return Coil(
        name,
        np.concatenate(pieces),
        currents,
        tuple(f"loop {i + 1}" for i in range(elements)),
        {
            "circular": np.exp(-1j * centres),
            "anti-circular": np.exp(1j * centres),
            "uniform": np.ones(elements, complex),
        },
        parameters=parameters,
        shield=shield_around(shield_radius_m, shield_length_m, length_m, parameters),
    )


def shield_around(
    radius: float | None, length: float | None, coil_length: float, into: dict[str, Any]
) -> Shield | None:
    """The shield of a coil builder's arguments, entered into the coil's parameters; 1.5 times as long unless given."""
    if radius is None:
        if length is not None:
            raise InputError(
                "shield length without a radius", field="shield_length_m", found=length, expected="shield_radius_m too"
            )
        return None
    shield = Shield(radius, 1.5 * coil_length if length is None else length)
    into.update(shield_radius_m=shield.radius_m, shield_length_m=shield.length_m)
    return shield


def on_cylinder(radius: float, phi: np.ndarray, z: float | np.ndarray) -> np.ndarray:
    """Points (n, 3) at the angles phi (n,) and the height or heights z of a cylinder about z."""
    return np.stack([radius * np.cos(phi), radius * np.sin(phi), np.broadcast_to(z, phi.shape)], axis=1)


def _sample(segments: np.ndarray, step: float) -> np.ndarray:
    """Points along every segment, at most ``step`` apart."""
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    count = np.maximum(2, np.ceil(length / step).astype(int) + 1)
    which = np.repeat(np.arange(len(segments)), count)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    s = (np.arange(len(which)) - first[which]) / (count[which] - 1)
    return segments[which, 0] + s[:, None] * (segments[which, 1] - segments[which, 0])


def _body_index(
    points: np.ndarray, origin: Sequence[float], spacing: Sequence[float], mask: np.ndarray
) -> tuple[np.ndarray, tuple[int, ...]] | None:
    """The first point in a True voxel of ``mask`` and that voxel, or None."""
    index = np.floor((points - np.asarray(origin)) / np.asarray(spacing)).astype(np.int64)
    inside = np.flatnonzero(np.all((index >= 0) & (index < mask.shape), axis=1))
    hit = inside[mask[tuple(index[inside].T)]]
    return None if not len(hit) else (points[hit[0]], tuple(int(i) for i in index[hit[0]]))


def _dilate(mask: np.ndarray) -> np.ndarray:
    """The mask grown by one voxel in every direction, on a grid one voxel larger on every side."""
    grown = np.pad(mask, 1)
    for axis in range(3):
        a = np.moveaxis(grown, axis, 0)
        b = a.copy()
        b[1:] |= a[:-1]
        b[:-1] |= a[1:]
        grown = np.moveaxis(b, 0, axis)
    return grown


def _tissue_name(phantom: Phantom, voxel: tuple[int, ...]) -> str:
    return str(phantom.tissues[int(phantom.labels[voxel])].name)
