"""Coils of ideal currents, made of straight filaments: any, the birdcage, the loop and the array of loops.

Their currents are given. A coil of metal, capacitors and feeds, whose currents follow from the fields, is a
:class:`~emdose.models.coils.circuit.CircuitCoil`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emdose.checks import all_positive, array, positive, unit_vector, vector, whole
from emdose.errors import InputError
from emdose.models.coils.clearance import points_along, require_clear
from emdose.models.coils.cylinder import (
    Shield,
    array_drives,
    loop_width,
    moved_parameters,
    on_cylinder,
    shield_around,
    shield_parameters,
)
from emdose.models.grids.grid import Vector
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

ARC_STEP = math.radians(6.0)
"""Largest angle of one straight piece of an arc [rad]; a 60-gon differs from its circle by 0.2 % in area."""


@read_only
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
        segments = array("segments", self.segments, (None, 2, 3), problem="bad coil segments")
        currents = np.array(self.currents, complex)
        ports = tuple(str(p) for p in self.ports)
        if not len(segments):
            raise InputError("bad coil segments", field="segments", found=segments.shape, expected="shape (n, 2, 3)")
        if currents.shape != (len(ports), len(segments)) or not ports:
            raise InputError(
                "currents do not fit ports and segments",
                field="currents",
                found=currents.shape,
                expected=str((len(ports), len(segments))),
            )
        if not np.all(np.isfinite(currents)):
            raise InputError("coil holds a value that is not finite", field="currents", expected="finite amperes")
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
        for own in (segments, currents):
            own.flags.writeable = False
        for key, value in (("segments", segments), ("currents", currents), ("ports", ports), ("drives", drives)):
            object.__setattr__(self, key, value)
        self._require_kirchhoff()
        if self.shield is not None:
            self.shield.require_whole("a coil of ideal currents")
            self.shield.require_around([self.segments])

    @property
    def open_ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Points (m, 3) [m] that collect charge, and the current (port, m) [A] into them; none in closed circuits."""
        return np.zeros((0, 3)), np.zeros((len(self.ports), 0), complex)

    @property
    def extent_m(self) -> tuple[Vector, Vector]:
        """Low and high corner of the box around the conductors, the shield not counted [m]."""
        points = self.segments.reshape(-1, 3)
        return tuple(map(float, points.min(0))), tuple(map(float, points.max(0)))  # type: ignore[return-value]

    def with_shield(self, shield: Shield) -> Self:
        """The same coil inside a cylindrical RF shield; raises InputError when it touches it."""
        shield.require_whole("a coil of ideal currents")
        shield.require_around([self.segments])
        other = copy.copy(self)  # of the same class, whose constructor may take other arguments than the fields
        vars(other).pop("_home", None)
        object.__setattr__(other, "shield", shield)
        object.__setattr__(other, "parameters", {**self.parameters, **shield_parameters(shield)})
        return other

    def translate(self, shift_m: Sequence[float]) -> Self:
        """The coil moved by a vector [m], its shield with it."""
        segments = self.segments + vector("shift_m", shift_m, problem="bad shift", expected="three finite metres")
        segments.flags.writeable = False
        other = copy.copy(self)
        object.__setattr__(other, "segments", segments)
        object.__setattr__(other, "shield", None if self.shield is None else self.shield.translate(shift_m))
        object.__setattr__(other, "parameters", moved_parameters(self.parameters, shift_m))
        home, before = self.home
        object.__setattr__(other, "_home", (home, tuple(float(a + b) for a, b in zip(before, shift_m, strict=True))))
        return other

    @property
    def home(self) -> tuple[Coil, Vector]:
        """The coil before it was moved, and by how much [m]: fields of one serve all its places."""
        found: tuple[Coil, Vector] = vars(self).get("_home") or (self, (0.0, 0.0, 0.0))
        return found

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
        step = 0.25 * min(phantom.grid.spacing_m)
        require_clear(self.name, points_along(self.segments, step), self.shield, phantom)

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


class Birdcage(Coil):
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

    rungs: int
    radius_m: float
    length_m: float

    def __init__(
        self,
        rungs: int = 16,
        *,
        radius_m: float = 0.15,
        length_m: float = 0.20,
        shield_radius_m: float | None = None,
        shield_length_m: float | None = None,
        name: str = "birdcage",
    ) -> None:
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
        super().__init__(
            name,
            np.concatenate([rung_ends, *rings]),
            np.concatenate([rung, arc, -arc], axis=1).astype(complex),
            ("cosine", "sine"),
            {"quadrature": [1, -1j], "anti-quadrature": [1, 1j], "linear": [1, 0]},
            parameters=parameters,
            shield=shield,
        )
        vars(self).update(rungs=rungs, radius_m=radius_m, length_m=length_m)


class Loop(Coil):
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

    radius_m: float

    def __init__(
        self,
        radius_m: float,
        *,
        centre_m: Sequence[float] = (0.0, 0.0, 0.0),
        normal: Sequence[float] = (0.0, 0.0, 1.0),
        segments: int = 96,
        name: str = "loop",
    ) -> None:
        positive("radius_m", radius_m)
        whole("segments", segments, 8)
        centre, n = vector("centre_m", centre_m), unit_vector("normal", normal)
        u = np.cross(n, np.eye(3)[int(np.argmin(np.abs(n)))])
        u /= np.linalg.norm(u)
        v = np.cross(n, u)
        phi = 2 * np.pi * np.arange(segments) / segments
        radius = radius_m * math.sqrt(2 * np.pi / segments / math.sin(2 * np.pi / segments))
        nodes = centre + radius * (np.cos(phi)[:, None] * u + np.sin(phi)[:, None] * v)
        super().__init__(
            name,
            np.stack([nodes, np.roll(nodes, -1, axis=0)], axis=1),
            np.ones((1, segments), complex),
            ("loop",),
            {"unit": [1]},
            parameters={"kind": "loop", "radius_m": radius_m, "centre_m": centre.tolist(), "normal": n.tolist()},
        )
        vars(self).update(radius_m=radius_m)


class LoopArray(Coil):
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

    radius_m: float
    length_m: float
    coverage: float

    def __init__(
        self,
        elements: int = 8,
        *,
        radius_m: float = 0.14,
        length_m: float = 0.16,
        coverage: float = 0.9,
        shield_radius_m: float | None = None,
        shield_length_m: float | None = None,
        name: str = "loop array",
    ) -> None:
        whole("elements", elements, 1)
        all_positive(radius_m=radius_m, length_m=length_m, coverage=coverage)
        width = loop_width(elements, coverage)
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
        super().__init__(
            name,
            np.concatenate(pieces),
            currents,
            tuple(f"loop {i + 1}" for i in range(elements)),
            array_drives(centres),
            parameters=parameters,
            shield=shield_around(shield_radius_m, shield_length_m, length_m, parameters),
        )
        vars(self).update(radius_m=radius_m, length_m=length_m, coverage=coverage)
