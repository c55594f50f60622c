"""Coils made of metal, capacitors and feeds, for solvers that find the currents themselves."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emdose.errors import InputError
from emdose.models.coils.clearance import conductor_points, require_clear
from emdose.models.coils.conductors import Conductor, FeedPort, LumpedElement, SolidConductor, moved
from emdose.models.coils.cylinder import Shield, moved_parameters, shield_parameters
from emdose.models.coils.gaps import Gap
from emdose.models.coils.ideal import Coil
from emdose.models.coils.incident_field import IncidentField
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.grids.grid import Vector
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


@read_only
@dataclass(frozen=True, eq=False)
class CircuitCoil:
    """Metal with lumped elements and feeds; the currents follow from the fields.

    Parameters
    ----------
    name : str
        Name shown in reports.
    conductors : sequence of Wire, Strip, Sheet, Plate or SolidConductor
        The metal; where two of them share a point they are joined.
    elements : sequence of LumpedElement
        Capacitors, inductors and resistors.
    feeds : sequence of FeedPort
        The ports of the coil, at least one.
    drives : mapping of str to (feed,) complex, optional
        Named vectors of source voltages [V peak, behind the impedance of each feed]; by default each feed alone at
        1 V, and "uniform" for all of them.
    shield : Shield, optional
        A perfectly conducting cylinder around the coil.
    parameters : mapping
        What the coil was built from, for the provenance.

    Raises
    ------
    InputError
        When there is no conductor or no feed, names occur twice, two elements or two feeds sit in one place, a drive
        does not fit the feeds, or the coil touches its shield.
    """

    name: str
    conductors: Sequence[Conductor]
    elements: Sequence[LumpedElement]
    feeds: Sequence[FeedPort]
    drives: Mapping[str, Any] = field(default_factory=dict)
    shield: Shield | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    drive_unit = "V"

    def __post_init__(self) -> None:
        for key in ("conductors", "elements", "feeds"):
            object.__setattr__(self, key, tuple(getattr(self, key)))
        if not self.conductors:
            raise InputError("coil without metal", field="conductors", found=0, expected="at least one conductor")
        if not self.feeds:
            raise InputError("coil without a feed", field="feeds", found=0, expected="at least one FeedPort")
        for items, what in ((self.elements, "elements"), (self.feeds, "feeds")):
            _distinct(items, what)
        both = {e.name for e in self.elements} & {f.name for f in self.feeds}
        if both:
            raise InputError(
                "an element and a feed share a name", field="feeds", found=sorted(both)[0], expected="names that differ"
            )
        drives = {str(key): self._drive(str(key), value) for key, value in self.drives.items()}
        if not drives:
            drives = {f.name: np.eye(len(self.feeds))[i] + 0j for i, f in enumerate(self.feeds)}
            drives.setdefault("uniform", np.ones(len(self.feeds), complex))
        object.__setattr__(self, "drives", drives)
        if self.shield is not None:
            self.shield.require_around(conductor_points(self.conductors, 0.01))

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the feeds, in the order of a drive."""
        return tuple(f.name for f in self.feeds)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The internal ports: first those with a feed, in the order of the feeds, then the other elements."""
        free = {(e.start_m, e.end_m): e for e in self.elements}
        out = [Gap(f.name, f.start_m, f.end_m, free.pop((f.start_m, f.end_m), None), f) for f in self.feeds]
        return (*out, *(Gap(e.name, e.start_m, e.end_m, e, None) for e in free.values()))

    @property
    def extent_m(self) -> tuple[Vector, Vector]:
        """Low and high corner of the box around the conductors, the shield not counted [m]."""
        low, high = [], []
        for c in self.conductors:
            if isinstance(c, SolidConductor):
                low.append(np.array(c.low_m))
                high.append(np.array(c.high_m))
            else:
                for _, spine, across in c.sheets:
                    low.append(spine.min(0) + across.min(0))
                    high.append(spine.max(0) + across.max(0))
        return tuple(map(float, np.min(low, 0))), tuple(map(float, np.max(high, 0)))  # type: ignore[return-value]

    @property
    def outline(self) -> np.ndarray:
        """Middle lines of the conductors, and outlines of solids that know theirs, as straight pieces (n, 2, 3) [m]."""
        lines = []
        for c in self.conductors:
            if isinstance(c, SolidConductor):
                lines += [] if c.outline_m is None else [c.outline_m]
            else:
                lines += [np.stack([spine[:-1], spine[1:]], axis=1) for _, spine, _ in c.sheets]
        return np.concatenate(lines) if lines else np.zeros((0, 2, 3))

    def element(self, name: str) -> LumpedElement:
        """The element of that name; raises InputError when there is none."""
        for e in self.elements:
            if e.name == name:
                return e
        raise InputError(
            "no such element", field="element", found=name, expected=_some([e.name for e in self.elements])
        )

    def with_values(self, values: Mapping[str, float | Mapping[str, Any]]) -> Self:
        """The same coil with other values of elements.

        Parameters
        ----------
        values : mapping of str to float or mapping
            Element name to its capacitance [F], or to a mapping with ``resistance_ohm``, ``inductance_H``,
            ``capacitance_F`` and ``topology``.

        Raises
        ------
        InputError
            For an unknown element or a value that cannot be used.
        """
        new = {}
        for name, value in values.items():
            change = dict(value) if isinstance(value, Mapping) else {"capacitance_F": value}
            unknown = set(change) - {"resistance_ohm", "inductance_H", "capacitance_F", "topology"}
            if unknown:
                raise InputError(
                    "unknown value of an element",
                    field=name,
                    found=sorted(unknown)[0],
                    expected="resistance_ohm, inductance_H, capacitance_F or topology",
                )
            new[name] = self.element(name).with_values(**change)
        other = copy.copy(self)  # of the same class, whose constructor may take other arguments than the fields
        object.__setattr__(other, "elements", tuple(new.get(e.name, e) for e in self.elements))
        return other

    def with_shield(self, shield: Shield) -> Self:
        """The same coil inside a cylindrical RF shield; raises InputError when it touches it."""
        shield.require_around(conductor_points(self.conductors, 0.01))
        other = copy.copy(self)
        object.__setattr__(other, "shield", shield)
        object.__setattr__(other, "parameters", {**self.parameters, **shield_parameters(shield)})
        return other

    def translate(self, shift_m: Sequence[float]) -> Self:
        """The coil moved by a vector [m]: metal, elements, feeds and shield."""
        other = copy.copy(self)
        for key in ("conductors", "elements", "feeds"):
            object.__setattr__(other, key, tuple(moved(part, shift_m) for part in getattr(self, key)))
        object.__setattr__(other, "shield", None if self.shield is None else self.shield.translate(shift_m))
        object.__setattr__(other, "parameters", moved_parameters(self.parameters, shift_m))
        return other

    def check_clear_of(self, phantom: Phantom) -> None:
        """Make sure that no conductor runs through the body.

        Parameters
        ----------
        phantom : Phantom
            The body.

        Raises
        ------
        InputError
            When metal, a gap or the shield passes through a body voxel; the text names the place.

        Warns
        -----
        EmdoseWarning
            When a conductor comes closer to the body than one voxel, where the near field is not resolved.
        """
        step = 0.25 * min(phantom.grid.spacing_m)
        gaps = [np.array([g.start_m, g.end_m]) for g in self.gaps]
        points = np.concatenate([*conductor_points(self.conductors, step), *gaps])
        require_clear(self.name, points, self.shield, phantom)

    def _drive(self, key: str, value: Any) -> np.ndarray:
        vector = np.asarray(value, complex)
        if vector.shape != (len(self.feeds),) or not np.all(np.isfinite(vector)):
            raise InputError(
                "drive does not fit the feeds",
                field=f"drives.{key}",
                found=vector.shape,
                expected=f"{len(self.feeds)} finite complex voltages",
            )
        return vector


def require_ideal(coil: Coil | CircuitCoil | PlaneWave | IncidentField) -> Coil | PlaneWave | IncidentField:
    """The coil itself; raises InputError when it has no given currents, for solvers that need them."""
    if isinstance(coil, CircuitCoil):
        raise InputError(
            f"the coil {coil.name!r} has capacitors and feeds, whose currents only Fdtd finds",
            field="coil",
            expected="Fdtd, or a coil of ideal currents such as Birdcage",
        )
    return coil


def _distinct(items: Sequence[LumpedElement | FeedPort], what: str) -> None:
    names = [i.name for i in items]
    for n in names:
        if names.count(n) > 1:
            raise InputError("a name occurs twice", field=what, found=n, expected="names that differ")
    places: dict[frozenset[Vector], str] = {}
    for i in items:
        here = frozenset((i.start_m, i.end_m))
        if here in places:
            raise InputError(
                f"two {what} in one place", field=what, found=f"{places[here]} and {i.name}", expected="one in each gap"
            )
        places[here] = i.name


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "a coil with elements"
