r"""A field that somebody else has computed or measured, as the source of an exposure, and whether it can be one."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import positive, text, vector
from emdose.constants import C_0, EPS_0, MU_0
from emdose.errors import EmdoseWarning, InputError
from emdose.models.coils.cylinder import moved_parameters
from emdose.models.grids.sampled_field import SampledField
from emdose.validity import Measure, judge
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

FieldFunction = Callable[[np.ndarray], Any]
"""Points (n, 3) [m] to vectors (n, 3) or (port, n, 3)."""

AT_ONCE = 1 << 17
"""Points that a function is asked for in one call."""
SAMPLES = 216
"""Points of the body at which Maxwell's equations are looked at."""
OFFSETS = (-2, -1, 1, 2)
"""Of the stencils, in steps."""
FIRST = {4: (1 / 12, -2 / 3, 2 / 3, -1 / 12), 2: (0.0, -0.5, 0.5, 0.0)}
SECOND = {4: (-1 / 12, 4 / 3, 4 / 3, -1 / 12), 2: (0.0, 1.0, 1.0, 0.0)}
CENTRE = {4: -2.5, 2: -2.0}
"""Weights of first and second derivatives by order of the error."""
NOISE = 4.0
"""Noise of a derivative of fourth order over that of its difference from the second order: 3.6 for white noise."""


@read_only
@dataclass(frozen=True, eq=False)
class IncidentField:
    r"""The field of a source without the body, given by a function of points or by arrays, at one frequency.

    Its sources lie outside the body and are not changed by it. Signs and units are those of emdose: exp(+j w t), peak
    phasors, V/m, A/m and metres.

    Parameters
    ----------
    E : callable
        Points (n, 3) [m] to peak phasors per unit drive, (n, 3) or (port, n, 3) [V/m].
    H : callable, optional
        The same of the magnetic field [A/m]; j / (w mu0) curl E by finite differences where it is not given. With it
        the sign of the time factor and the units are checked too.
    frequency_Hz : float
        The one frequency that the field is of [Hz].
    ports : sequence of str
        Names of the ports.
    drives : mapping of str to (port,) complex
        Named drive vectors; "unit" for one port by default.
    drive_unit : str
        What one unit of drive is.
    name : str
        Name shown in reports.
    parameters : mapping
        Where it comes from, for the provenance.
    step_m : float, optional
        Step of finite differences [m]; a quarter of the voxels of the phantom, or the step of the arrays.
    accept : sequence of str
        Names of thresholds of validity that may be passed: "incident_field".

    Raises
    ------
    InputError
        For what is no function, a frequency that is not positive, or ports and drives that do not fit.
    """

    E: FieldFunction
    H: FieldFunction | None = None
    frequency_Hz: float = field(kw_only=True)
    ports: Sequence[str] = field(default=("field",), kw_only=True)
    drives: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    drive_unit: str = field(default="1", kw_only=True)
    name: str = field(default="incident field", kw_only=True)
    parameters: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    step_m: float | None = field(default=None, kw_only=True)
    accept: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        positive("frequency_Hz", self.frequency_Hz)
        text("name", self.name)
        if self.step_m is not None:
            positive("step_m", self.step_m)
        for key in ("E", "H"):
            if not callable(getattr(self, key)) and (key == "E" or self.H is not None):
                raise InputError(
                    "not a function of points",
                    field=key,
                    found=type(getattr(self, key)).__name__,
                    expected="a callable, or IncidentField.on_points(...) for arrays",
                )
        judge([], self.accept)
        ports = (self.ports,) if isinstance(self.ports, str) else tuple(str(p) for p in self.ports)
        if not ports or len(set(ports)) != len(ports):
            raise InputError("ports need names that differ", field="ports", found=ports)
        drives = {"unit": [1]} if not self.drives and len(ports) == 1 else self.drives
        vectors = {str(k): np.asarray(v, complex) for k, v in drives.items()}
        for key, v in vectors.items():
            if v.shape != (len(ports),) or not np.all(np.isfinite(v)):
                raise InputError(
                    "drive does not fit the ports",
                    field=f"drives.{key}",
                    found=v.shape,
                    expected=f"{len(ports)} finite complex amplitudes",
                )
        about = {"kind": "incident field", "frequency_Hz": float(self.frequency_Hz), **self.parameters}
        for key, value in (("ports", ports), ("drives", vectors), ("parameters", about)):
            object.__setattr__(self, key, value)

    @classmethod
    def on_points(
        cls,
        axes_m: Sequence[np.ndarray],
        E: np.ndarray,
        H: np.ndarray | None = None,
        *,
        frequency_Hz: float,
        **more: Any,
    ) -> IncidentField:
        """The same from arrays on a rectilinear grid of points, between which cubic splines run.

        Parameters
        ----------
        axes_m : (x, y, z) of 1-D ndarray
            Coordinates of the points along each axis [m]; they reach beyond the phantom's grid.
        E : (port, 3, nx, ny, nz) or (3, nx, ny, nz) complex ndarray
            Peak phasors per unit drive [V/m].
        H : complex ndarray, optional
            The same of the magnetic field [A/m].
        frequency_Hz : float
            Frequency [Hz].
        **more
            Other arguments of :class:`IncidentField`.

        Raises
        ------
        InputError
            When arrays do not fit each other or hold values that are not finite.
        """
        fields = [None if v is None else SampledField(tuple(axes_m), v) for v in (E, H)]  # type: ignore[arg-type]
        electric, magnetic = fields
        assert electric is not None
        names = more.get("ports")
        counts = {len(f.values) for f in fields if f is not None} | ({len(list(names))} if names is not None else set())
        if len(counts) > 1:
            raise InputError(
                "arrays and ports do not fit",
                field="ports",
                found=f"E of {len(electric.values)}, H of {0 if magnetic is None else len(magnetic.values)}",
                expected="as many ports in E, in H and by name",
            )
        digest = hashlib.sha256()
        for a in (*electric.axes_m, *(f.values for f in fields if f is not None)):
            digest.update(np.ascontiguousarray(a).tobytes())
        about = {**more.pop("parameters", {}), "sha256": digest.hexdigest()}
        ports = more.pop("ports", ("field",) if len(electric.values) == 1 else None)
        ports = [f"field {i + 1}" for i in range(len(electric.values))] if ports is None else ports
        return cls(electric, magnetic, frequency_Hz=frequency_Hz, ports=ports, parameters=about, **more)

    def translate(self, shift_m: Sequence[float]) -> IncidentField:
        """The field moved by a vector [m], with the points that it was given on."""
        shift = vector("shift_m", shift_m, problem="bad shift", expected="three finite metres")
        H = None if self.H is None else _moved(self.H, shift)
        return replace(self, E=_moved(self.E, shift), H=H, parameters=moved_parameters(self.parameters, shift_m))

    def field_at(self, points_m: np.ndarray, magnetic: bool, step_m: float) -> np.ndarray:
        """E [V/m] or B [T] of every port at points, (port, n, 3).

        Parameters
        ----------
        points_m : (n, 3) ndarray
            Points [m].
        magnetic : bool
            Whether B is wanted.
        step_m : float
            Step of finite differences where no H is given [m]; the field's own goes before it.
        """
        points = np.asarray(points_m, float).reshape(-1, 3)
        if not magnetic:
            return self._ask(self.E, "E", points)
        if self.H is not None:
            return MU_0 * self._ask(self.H, "H", points)
        J, _ = _jacobian(lambda p: self._ask(self.E, "E", p), points, self.step_m or step_m, self._sampled)
        return (1j / (2 * math.pi * self.frequency_Hz)) * _curl(J)

    def require_frequency(self, frequency_Hz: float) -> None:
        """Raise InputError for another frequency than the one that the field is of."""
        if abs(self.frequency_Hz / frequency_Hz - 1) > 1e-9:
            raise InputError(
                "the incident field is of another frequency",
                field="frequency_Hz",
                found=frequency_Hz,
                expected=f"{self.frequency_Hz:g}",
            )

    def check_clear_of(self, phantom: Phantom) -> None:
        """Make sure that the field has no sources in the body: that it meets Maxwell's equations of air there.

        Parameters
        ----------
        phantom : Phantom
            The body.

        Raises
        ------
        InputError
            When it misses them by more than the threshold "incident_field", is zero, or does not reach over the body.

        Warns
        -----
        EmdoseWarning
            When it is questionable.
        """
        residuals = self.residuals(phantom)
        worst = max(residuals, key=lambda k: residuals[k] if math.isfinite(residuals[k]) else math.inf)
        judged = judge([Measure("incident_field", residuals[worst], worst)], self.accept)
        if not judged.is_valid:
            raise InputError(
                judged.reasons[0].rstrip("."), field="coil", expected="so, or accept=['incident_field'] by name"
            )
        for reason in judged.reasons:
            warnings.warn(f"{self.name}: {reason}", EmdoseWarning, stacklevel=3)

    def residuals(self, phantom: Phantom) -> dict[str, float]:
        r"""By how much Maxwell's equations of air are missed in a body, as fractions of their terms.

        Derivatives are central differences of fourth order; what those of second order differ from them is taken for
        their error, four times of which do not count. "law of induction" (curl E + j w mu0 H over its two terms),
        "Ampere's law" (curl H - j w eps0 E) and the divergences over the norm of the gradient; without H the wave
        equation of E. 1 is the largest value that there can be.

        Parameters
        ----------
        phantom : Phantom
            The body; some two hundred voxels of it are looked at.
        """
        points, step = self._samples(phantom)
        omega = 2 * math.pi * self.frequency_Hz
        E, H = self._ask(self.E, "E", points), None if self.H is None else self._ask(self.H, "H", points)
        dark = [name for name, e in zip(self.ports, E, strict=True) if not np.any(e)]
        if dark:
            raise InputError(
                f"the incident field of port {dark[0]!r} is zero in the body", field="E", expected="a field"
            )
        JE, eE = _jacobian(lambda p: self._ask(self.E, "E", p), points, step, self._sampled)
        out = {"divergence of E": _share(np.trace(JE, axis1=-2, axis2=-1)[..., None], eE, JE, 3)}
        if H is None:
            L, terms, error = _laplacian(lambda p: self._ask(self.E, "E", p), E, points, step)
            k2 = (omega / C_0) ** 2
            return out | {"wave equation of E": _share(L + k2 * E, error, np.concatenate([terms, k2 * E], axis=-1), 4)}
        assert self.H is not None
        magnetic = self.H
        JH, eH = _jacobian(lambda p: self._ask(magnetic, "H", p), points, step, self._sampled)
        induced, driven = 1j * omega * MU_0 * H, 1j * omega * EPS_0 * E
        both = {
            "law of induction": (_curl(JE) + induced, eE, _curl(JE), induced),
            "Ampere's law": (_curl(JH) - driven, eH, _curl(JH), driven),
        }
        out |= {k: _share(r, e, np.concatenate([a, b], axis=-1), 2) for k, (r, e, a, b) in both.items()}
        return out | {"divergence of H": _share(np.trace(JH, axis1=-2, axis2=-1)[..., None], eH, JH, 3)}

    @property
    def _sampled(self) -> SampledField | None:
        return self.E if isinstance(self.E, SampledField) else None

    def _samples(self, phantom: Phantom) -> tuple[np.ndarray, float]:
        """Points of the body whose stencils lie within the data, and the step."""
        sampled = self._sampled
        own = 0.25 * min(phantom.spacing_m) if sampled is None else sampled.step_m
        step = self.step_m or own
        index = np.argwhere(np.asarray(phantom.body, bool))
        points = np.stack([phantom.grid.centres(a)[index[:, a]] for a in range(3)], axis=1)
        if sampled is not None:
            reach = 2 * step
            points = points[sampled.holds(points - reach) & sampled.holds(points + reach)]
            if not len(points):
                sampled(np.stack([phantom.grid.centres(a)[index[:1, a]] for a in range(3)], axis=1))
                raise InputError(
                    "the points of the incident field are too few to check it",
                    field="axes_m",
                    found=f"steps of {1e3 * step:.3g} mm",
                    expected="at least two steps around some of the body",
                )
        return points[np.unique(np.linspace(0, len(points) - 1, SAMPLES).astype(int))], step

    def _ask(self, function: FieldFunction, name: str, points: np.ndarray) -> np.ndarray:
        parts = []
        for low in range(0, len(points), AT_ONCE):
            part = points[low : low + AT_ONCE]
            value = np.asarray(function(part))
            value = value[None] if value.ndim == 2 else value
            if value.shape != (len(self.ports), len(part), 3) or value.dtype.kind not in "iufc":
                raise InputError(
                    "the function does not give one vector per point and port",
                    field=name,
                    found=f"{value.dtype} {value.shape}",
                    expected=f"({len(self.ports)}, {len(part)}, 3), or ({len(part)}, 3) for one port",
                )
            if not np.all(np.isfinite(value)):
                port, n, _ = (int(i) for i in np.argwhere(~np.isfinite(value))[0])
                place = ", ".join(f"{1e3 * c:.1f}" for c in part[n])
                raise InputError(
                    f"the incident field of port {self.ports[port]!r} is not finite at ({place}) mm",
                    field=name,
                    found=value[port, n].tolist(),
                    expected="finite values on the whole grid of the phantom: sources outside of it",
                )
            parts.append(value.astype(complex))
        return np.concatenate(parts, axis=1)


def _moved(function: FieldFunction, shift_m: np.ndarray) -> FieldFunction:
    if isinstance(function, SampledField):
        x, y, z = (a + d for a, d in zip(function.axes_m, shift_m, strict=True))
        return SampledField((x, y, z), function.values)
    return lambda points: function(points - shift_m)


def _stencil(
    ask: Callable[[np.ndarray], np.ndarray], points: np.ndarray, step: float, bound: SampledField | None = None
) -> np.ndarray:
    """Values beside points, (axis, offset, port, n, 3)."""
    out = []
    for axis in range(3):
        shift = np.zeros(3)
        shift[axis] = step
        for o in OFFSETS:
            at = points + o * shift
            if bound is not None:
                axis_m = bound.axes_m[axis]
                at[:, axis] = np.clip(at[:, axis], axis_m[0], axis_m[-1])
            out.append(ask(at))
    return np.stack(out).reshape(3, len(OFFSETS), *out[0].shape)


def _jacobian(
    ask: Callable[[np.ndarray], np.ndarray], points: np.ndarray, step: float, bound: SampledField | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives (port, n, component, axis) [1/m] and the norm of their error (port, n)."""
    beside = _stencil(ask, points, step, bound)
    fine, coarse = (np.einsum("o,aopnc->pnca", FIRST[order], beside) / step for order in (4, 2))
    return fine, np.linalg.norm(fine - coarse, axis=(-2, -1))


def _laplacian(
    ask: Callable[[np.ndarray], np.ndarray], middle: np.ndarray, points: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Laplacian (port, n, 3), its three terms (port, n, 9), and the norm of its error (port, n)."""
    beside = _stencil(ask, points, step)
    fine, coarse = (
        (np.einsum("o,aopnc->apnc", SECOND[order], beside) + CENTRE[order] * middle) / step**2 for order in (4, 2)
    )
    error = np.linalg.norm((fine - coarse).sum(axis=0), axis=-1)
    return fine.sum(axis=0), np.concatenate(list(fine), axis=-1), error


def _curl(J: np.ndarray) -> np.ndarray:
    """Curl (port, n, 3) of derivatives (port, n, component, axis)."""
    return np.stack([J[..., (c + 2) % 3, (c + 1) % 3] - J[..., (c + 1) % 3, (c + 2) % 3] for c in range(3)], axis=-1)


def _share(residual: np.ndarray, error: np.ndarray, terms: np.ndarray, count: int) -> float:
    """Norm of a residual beyond its error over the largest that its so many terms allow, of the worst port."""
    ports = len(residual)
    wrong = np.maximum(np.linalg.norm(residual.reshape(*residual.shape[:2], -1), axis=-1) - NOISE * error, 0.0)
    size = math.sqrt(count) * np.linalg.norm(terms.reshape(ports, -1), axis=1)
    found = np.linalg.norm(wrong, axis=1)
    return float(np.max(np.divide(found, size, out=np.zeros(ports), where=size > 0)))
