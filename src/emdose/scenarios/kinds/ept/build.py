"""From the tables of an ``ept`` scenario to B1+ maps, their truth, and methods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emdose.checks import unknown
from emdose.ept import AutomaticHelmholtz, B1Map, Helmholtz, filters, relative_noise
from emdose.ept.judging.monte_carlo import monte_carlo
from emdose.errors import InputError
from emdose.scenarios.kinds.ept import schema
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.ept import BiasEstimate, PropertyMap
    from emdose.models.bodies import Phantom
    from emdose.models.coils.ideal import Coil
    from emdose.models.coils.plane_wave import PlaneWave
    from emdose.solvers.results.fields import Fields

MEAN_B1PLUS_T = 1e-6
"""Mean of abs(B1+) over the body of simulated maps; it cancels in every method."""
LEAST_CHANNELS = 5
"""Transmit channels that gradient EPT needs."""


class Reconstruction(Protocol):
    """What every EPT method can do."""

    def reconstruct(self, b1: B1Map, device: str = "auto") -> PropertyMap:
        """Conductivity and permittivity of a B1+ map."""
        ...

    def second_looks(self, b1: B1Map, found: PropertyMap, device: str = "auto", /) -> BiasEstimate:
        """What estimates the bias of means over regions of such a result."""
        ...


@dataclass(frozen=True, eq=False)
class Data:
    """B1+ maps and what is known about the object.

    Parameters
    ----------
    b1 : B1Map
        What the methods get.
    names : dict of int to str
        Names of the labels, or of the mask (1) where there is no segmentation.
    labels : (nx, ny, nz) int ndarray
        The labels that ``names`` are of; others are background.
    truth : dict
        "conductivity", "permittivity" where they are known.
    clean : B1Map, optional
        The same maps without noise, for simulated data.
    phase_error : ndarray, optional
        Phase that the methods take for the transmit phase, less the true transmit phase and a constant [rad], (nx, ny,
        nz), NaN outside; for simulated data.
    """

    b1: B1Map
    names: dict[int, str]
    labels: np.ndarray
    truth: dict[str, np.ndarray]
    clean: B1Map | None = None
    phase_error: np.ndarray | None = None


@dataclass(frozen=True)
class _Inversion:
    """Contrast-source inversion for one coil and its drives."""

    method: Any
    coil: Coil | PlaneWave
    drive: str | None
    receive: str | None

    def reconstruct(self, b1: B1Map, device: str = "auto") -> PropertyMap:
        found: PropertyMap = self.method.reconstruct(b1, self.coil, self.drive, self.receive, device=device)
        return found

    def second_looks(self, _b1: B1Map, _found: PropertyMap, _device: str = "auto", /) -> BiasEstimate:
        from emdose.ept.inversion.data import NOT_KNOWN

        return NOT_KNOWN


def method(
    table: Any, file: object, name: str, coil: Coil | PlaneWave | None = None, drives: tuple[str, str] | None = None
) -> Reconstruction:
    """The method of a table; raises InputError naming scenario and key.

    Parameters
    ----------
    table : Helmholtz, AutomaticHelmholtz, ConvectionReaction, Gradient or Csi
        One of [methods].
    file, name : object, str
        Scenario and name of the method, for errors.
    coil : Coil or PlaneWave, optional
        For contrast-source inversion.
    drives : (str, str), optional
        How the coil transmitted and received, where the table does not say.
    """
    values = table.model_dump(exclude={"type", "filter", "monte_carlo", "draw_steps"})
    with blamed_on(file, f"methods.{name}"):
        if isinstance(table, schema.HelmholtzTable):
            return Helmholtz(**values)
        if isinstance(table, schema.AutomaticHelmholtzTable):
            by, radii = values.pop("by"), values.pop("radii")
            return AutomaticHelmholtz(tuple(Helmholtz(radius=r, **values) for r in radii), by=by)
        if isinstance(table, schema.ConvectionReactionTable):
            from emdose.ept.transport.convection_reaction import ConvectionReaction

            sigma, permittivity = values.pop("boundary_conductivity_S_m"), values.pop("boundary_permittivity")
            return ConvectionReaction(**values, boundary=None if sigma is None else (sigma, permittivity))
        if isinstance(table, schema.GradientTable):
            from emdose.ept.transport.gradient import Gradient

            return Gradient(**values)
        from emdose.ept.inversion.csi import Csi

        assert coil is not None
        chosen = [values.pop(key) or (drives[n] if drives else None) for n, key in enumerate(("drive", "receive"))]
        for key, drive in zip(("drive", "receive"), chosen, strict=True):
            if drive is not None and drive not in coil.drives:
                raise unknown("unknown drive of this coil", drive, coil.drives, field=key)
        return _Inversion(Csi(**values), coil, chosen[0], chosen[1])


def check_method(table: Any, shape: tuple[int, ...], channels: int, present: set[str], file: object, name: str) -> None:
    """Raise InputError, before anything is computed, when the data cannot serve a method."""
    key = "radii" if hasattr(table, "radii") else "radius"
    radius = (max(table.radii),) * 3 if key == "radii" else getattr(table, "radius", (0, 0, 0))
    widest = [1 if n == 1 else 2 * r + 1 for r, n in zip(radius, shape, strict=True)]  # one slice: a fit in its plane

    def fail(problem: str, field: str, found: object, expected: str) -> InputError:
        return InputError(problem, file=file, field=f"methods.{name}.{field}", found=found, expected=expected)

    if getattr(table, "monte_carlo", 0) in (1, 2):
        raise fail("too few draws", "monte_carlo", table.monte_carlo, "0, or 3 and more (30 are better)")
    if getattr(table, "draw_steps", 0) and (table.diffusion is not None or not table.monte_carlo):
        raise fail("no draws to take steps for", "draw_steps", table.draw_steps, "monte_carlo, and no diffusion")
    if any(w > n for w, n in zip(widest, shape, strict=True)):
        raise fail(
            "kernel larger than the image",
            key,
            " x ".join(map(str, widest)),
            f"at most {' x '.join(map(str, shape))} voxels; for few slices radius = [r, r, 1] or [r, r, 0]",
        )
    many = isinstance(table, schema.GradientTable)
    any_number = isinstance(table, schema.CsiTable)
    if many and channels < LEAST_CHANNELS:
        raise fail(
            "gradient EPT needs several transmit channels",
            "type",
            f"data of {channels}",
            f"{LEAST_CHANNELS} or more, or another method",
        )
    if not many and not any_number and channels > 1:
        raise fail("this method takes one transmit channel", "type", f"data of {channels}", "gradient, or one channel")
    wanted = {"gradient": {"magnitude", "phase"}, "convection-reaction": {"phase"}, "csi": {"magnitude"}}.get(
        table.type
    )
    if wanted is None:
        wanted = {"phase": {"phase"}, "magnitude": {"magnitude"}}.get(table.method, {"magnitude", "phase"})
    elif getattr(table, "form", "") == "complex":
        wanted = wanted | {"magnitude"}
    missing = sorted(wanted - present)
    if missing:
        raise fail(
            f"this method needs a {missing[0]}",
            "type",
            f"data with {' and '.join(sorted(present))}",
            f"data.{missing[0]}, or another method",
        )
    chosen = table.filter
    soft = getattr(table, "contrast", 0.0) > 0 or (chosen is not None and chosen.by_reference)
    if "reference" not in present and soft:
        raise fail("contrast weights need a reference image", "contrast", None, "data.reference")


def reconstructed(with_: Reconstruction, table: Any, b1: B1Map, device: str, *, spread: bool = True) -> PropertyMap:
    """The result of a method, with Monte Carlo where the table asks for it and ``spread`` is set, after its filter."""

    def smooth(found: PropertyMap, one: B1Map) -> PropertyMap:
        return found if table.filter is None else filtered(found, table.filter, one)

    def once(one: B1Map) -> PropertyMap:
        return smooth(with_.reconstruct(one, device), one)

    draws, steps = getattr(table, "monte_carlo", 0), getattr(table, "draw_steps", 0)
    if not (draws and spread):
        return once(b1)
    if not steps:
        return monte_carlo(b1, once, draws=draws)

    whole = with_.reconstruct(b1, device)

    def nearby(one: B1Map, _: PropertyMap) -> PropertyMap:
        return smooth(with_.nearby(one, whole, device, steps), one)  # type: ignore[attr-defined]

    return monte_carlo(b1, lambda one: smooth(whole, one), draws=draws, nearby=nearby)


def filtered(found: PropertyMap, table: schema.FilterTable, b1: B1Map) -> PropertyMap:
    """A map after its filter."""
    run = filters.median if table.type == "median" else filters.weighted_mean
    reference = b1.reference if table.by_reference else None
    return run(found, table.radius, table.kernel, labels=b1.regions, reference=reference, contrast=table.contrast)


def from_files(table: schema.FilesTable, frequency_Hz: float, file: object) -> Data:
    """B1+ maps from files.

    Raises
    ------
    InputError
        One line for whatever does not fit; see :func:`emdose.io.b1.read.read_b1`.
    """
    from emdose.io.b1.read import read_b1
    from emdose.io.maps.maps3d import read_map

    spacing: Any = table.spacing_m
    with blamed_on(file, "data"):
        b1 = read_b1(
            table.magnitude,
            table.phase,
            frequency_Hz=frequency_Hz,
            mask=table.mask,
            segmentation=table.segmentation,
            reference=table.reference,
            noise=table.noise if table.snr is None else 1 / table.snr,
            phase_kind=table.phase_kind,
            phase_unit=table.phase_unit,
            phase_sign=table.phase_sign,
            image=table.image,
            echo_times_s=table.echo_times_s,
            receivers=table.receivers,
            resample=table.resample,
            complex=table.complex if table.real is None else (table.real, table.imaginary),
            spacing_m=spacing,
            order=table.order,
        )
    assert b1.mask is not None
    truth = {}
    for quantity in ("conductivity", "permittivity"):
        source = getattr(table, f"true_{quantity}")
        if source is not None:
            values = read_map(source, f"true_{quantity}", table.order).values
            if values.shape != b1.grid.shape:
                raise InputError(
                    "shape differs from that of the B1+ map",
                    file=source,
                    field=f"data.true_{quantity}",
                    found=values.shape,
                    expected=str(b1.grid.shape),
                )
            truth[quantity] = np.asarray(values, float)
    labels = b1.mask.astype(np.int32) if b1.labels is None else np.where(b1.mask, b1.labels, -1)
    names = {1: "mask"} if b1.labels is None else _names(np.unique(labels[b1.mask]), table.labels)
    return Data(b1, names, labels, truth)


def simulated(table: schema.SimulatedTable, fields: Fields, body: Phantom) -> Data:
    """B1+ maps of a solved exposure: magnitude, the phase that an image would show, noise.

    The receive field of the drive ``receive`` is (Bx - j By)/2; the transceive phase is the sum of the phases of B1+
    and of it, wrapped. The noise is white: 1/SNR of every voxel's magnitude, 1/SNR rad of phase.
    """
    frequency_Hz = fields.frequency_Hz
    if table.channels:
        b1plus = fields.b1plus()
    else:
        driven = fields.drive(table.transmit).scale(b1plus_rms_T=MEAN_B1PLUS_T, over="body")
        b1plus = driven.b1plus()[0]
    receive = np.conj(fields.drive(table.receive).b1minus()[0])
    shown = np.angle(b1plus * receive) if table.phase == "transceive" else np.angle(b1plus)
    magnitude = np.abs(b1plus)
    base = B1Map(
        grid=body.grid,
        frequency_Hz=frequency_Hz,
        magnitude=magnitude,
        phase=shown,
        phase_kind=table.phase,
        mask=body.body,
        labels=body.labels,
        source=f"simulation of {body.name}",
    )
    clean = base if table.snr is None else relative_noise(base, 1 / table.snr)
    b1 = clean
    if table.snr is not None:
        random = np.random.default_rng(table.seed)
        one, two = (random.standard_normal(magnitude.shape) / table.snr for _ in range(2))
        noisy = np.angle(np.exp(1j * (shown + two)))
        b1 = relative_noise(replace(base, magnitude=magnitude * (1 + one), phase=noisy), 1 / table.snr)
    names = {n: t.name for n, t in enumerate(body.tissues) if n and np.any(body.labels == n)}
    truth = {
        "conductivity": np.where(body.body, body.conductivity(frequency_Hz), np.nan),
        "permittivity": np.where(body.body, body.permittivity(frequency_Hz), np.nan),
    }
    error = None if table.channels else _phase_error(clean, np.angle(b1plus))
    return Data(b1, names, np.asarray(body.labels, np.int32), truth, clean if table.snr is not None else None, error)


def check_drives(table: schema.SimulatedTable, coil: Coil | PlaneWave, file: object) -> int:
    """Number of transmit channels; raises InputError when the coil lacks a drive or a magnetic field in xy."""
    known = list(coil.drives)
    for key in ("receive",) if table.channels else ("transmit", "receive"):
        drive = getattr(table, key)
        if drive not in known:
            raise unknown("unknown drive of this coil", drive, known, file=file, field=f"data.{key}")
    return len(coil.ports) if table.channels else 1


def _phase_error(b1: B1Map, transmit: np.ndarray) -> np.ndarray:
    """Deviation of the phase that the methods use from the true transmit phase, without its mean, NaN outside."""
    assert b1.mask is not None
    turn = np.exp(1j * (b1.transmit_phase - transmit))
    # Half of an unwrapped phase is known but for half turns: the square does not feel them.
    twice = np.angle(turn**2 * np.exp(-1j * np.angle((turn**2)[b1.mask].sum())))
    return np.where(b1.mask, 0.5 * twice, np.nan)


def _names(present: np.ndarray, label_table: str | None) -> dict[int, str]:
    known: Mapping[int, Any] = {}
    if label_table is not None:
        from emdose.io.bodies.tables import read_labels

        known = read_labels(label_table)
    names = {int(n): known[int(n)].name if int(n) in known else f"label {int(n)}" for n in present}
    used = [n for n in names.values() if list(names.values()).count(n) > 1]
    return {n: f"{name} ({n})" if name in used else name for n, name in names.items()}


def mm(lengths_m: tuple[float, ...]) -> str:
    """Lengths as text in mm, one number when they are equal."""
    rounded = [f"{1e3 * h:.3g}" for h in lengths_m]
    return rounded[0] if math.isclose(min(lengths_m), max(lengths_m), rel_tol=1e-3) else " x ".join(rounded)
