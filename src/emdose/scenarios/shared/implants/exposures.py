"""From the exposures of a scenario to waveforms and the dB/dt that they make at the implant."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.models import gradients as wf
from emdose.models.gradients.field_over import FieldOver
from emdose.scenarios.shared.implants import gradient_tables
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.results.orientations import turned_matrices

if TYPE_CHECKING:
    from emdose.models.gradients.coils import GradientSet

MOST_FREQUENCIES = 8
LOWEST_Hz, HIGHEST_Hz = 50.0, 100e3
COVERED = 0.99
"""Share of the mean square of dB/dt that the solved frequencies reach; what is left out must leave a run valid."""


@dataclass(frozen=True, eq=False)
class BuiltExposure:
    """An exposure ready to be applied to a power tensor.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    title : str
        What it is, in words.
    waveform : Waveform or Sinusoid
        Rate over time; one axis where the field keeps its direction, else three.
    duration_s : float
        How long it lasts [s].
    matrix : (3 or 8, axes) ndarray or None
        Terms of dB/dt at the implant per rate of every axis; None for a uniform field along one direction.
    direction : (3,) ndarray, "worst" or None
        Direction of a linearly polarised field.
    preset : ExposurePreset or None
        The document that it comes from.
    field : FieldOver or None
        The field of the coils over the metal.
    key : str
        Its key among the exposures of the scenario, where that is not its name.
    position_m : (3,) ndarray or None
        Place of the implant's middle in the gradient coils that make the field; None where none do [m].
    """

    name: str
    title: str
    waveform: wf.Waveform | wf.Sinusoid
    duration_s: float
    matrix: np.ndarray | None = None
    direction: Any = None
    preset: wf.ExposurePreset | None = None
    position_m: np.ndarray | None = None
    field: FieldOver | None = None
    key: str = ""

    @property
    def by_coils(self) -> bool:
        """Whether gradient coils make the field."""
        return self.position_m is not None

    def over(self, coils: GradientSet, place_m: np.ndarray, points_m: np.ndarray) -> BuiltExposure:
        """The exposure with the terms that fit the field of the coils over the metal best, its middle at a place.

        Parameters
        ----------
        coils : GradientSet
            The gradient coils.
        place_m : (3,) ndarray
            Middle of the implant in the scanner [m].
        points_m : (n, 3) ndarray
            Points spread evenly over the metal, from its middle [m].
        """
        assert self.matrix is not None
        over = FieldOver(coils, place_m, points_m, len(self.matrix))
        return replace(self, matrix=over.matrices(np.eye(3)[None])[0], position_m=place_m, field=over)

    def turned(self, rotations: np.ndarray) -> np.ndarray:
        """Terms of dB/dt per rate of every axis in the axes of the implant turned by rotations (t, 3, 3)."""
        assert self.matrix is not None
        return turned_matrices(self.matrix, rotations) if self.field is None else self.field.matrices(rotations)

    def harmonics(self, max_frequency_Hz: float) -> wf.Spectrum:
        """Harmonics of the waveform itself."""
        return self.waveform.harmonics(max_frequency_Hz=max_frequency_Hz)

    def spectrum(self, max_frequency_Hz: float, worst: np.ndarray) -> wf.Spectrum:
        """Harmonics of dB/dt at the implant.

        Parameters
        ----------
        max_frequency_Hz : float
            Highest harmonic [Hz].
        worst : (3,) ndarray
            Direction that "worst" stands for.
        """
        return self.harmonics(max_frequency_Hz).through(self.matrix_along(worst))

    def matrix_along(self, worst: np.ndarray) -> np.ndarray:
        """dB/dt at the implant per rate of the waveform's axes, with "worst" replaced by a direction."""
        if self.matrix is not None:
            return self.matrix
        direction = worst if isinstance(self.direction, str) else self.direction
        return np.asarray(direction, float)[:, None]


def exposures(
    tables: Any, coils: GradientSet | None, middle_m: Any, linear: bool, default_s: float, file: object = None
) -> list[BuiltExposure]:
    """All exposures of a scenario.

    Parameters
    ----------
    tables : Scenario
        The scenario; its tables "gradients" and "exposures" count.
    coils : GradientSet or None
        The gradient coils.
    middle_m : (3,) array
        Middle of the implant in the scenario's coordinates [m].
    linear : bool
        Whether the linear terms of the field are taken.
    default_s : float
        How long an exposure lasts that does not say so [s].
    file : object
        The scenario, for errors.

    Raises
    ------
    InputError
        Naming scenario and key, or the file of a sequence.
    """
    matrix = place = None
    if coils is not None:
        assert tables.gradients is not None
        place = np.asarray(tables.gradients.position_m) + np.asarray(middle_m)
        with blamed_on(file, "gradients"):
            matrix = coils.matrix(place) if linear else coils.uniform_matrix(place)
    made = []
    for name, table in tables.exposures.items():
        with blamed_on(file, f"exposures.{name}"):
            made.append(_exposure(name, table, default_s, matrix, place, 8 if linear else 3))
    return made


def frequencies(built: list[BuiltExposure]) -> tuple[float, ...]:
    """Frequencies at which the power tensor is solved when the scenario does not say [Hz].

    Those of the sinusoids, and for other waveforms some spread over the band with 95 % of the mean square of dB/dt.
    """
    single = {e.waveform.frequency_Hz for e in built if isinstance(e.waveform, wf.Sinusoid)}
    others = [e.waveform for e in built if isinstance(e.waveform, wf.Waveform)]
    if not others:
        return tuple(sorted(single))
    low, high = math.inf, 0.0
    for wave in others:
        spectrum = wave.harmonics(max_frequency_Hz=max(HIGHEST_Hz, 2 / wave.duration_s))
        square = (np.abs(spectrum.amplitudes) ** 2).sum(1)
        reached = np.cumsum(square) / (2 * float((wave.rms**2).sum()))
        f = spectrum.frequencies_Hz
        low = min(low, float(f[np.argmax(reached > 1 - COVERED)]))
        high = max(high, float(f[min(int(np.searchsorted(reached, COVERED)), len(f) - 1)]))
    low, high = max(LOWEST_Hz, low), min(HIGHEST_Hz, max(high, 2 * low, *single, 0.0))
    count = max(4, MOST_FREQUENCIES - len(single))
    spread = np.geomspace(low, high, count)
    near = [f for f in spread if all(abs(math.log(f / s)) > 0.15 for s in single)]
    return tuple(sorted({*single, *(float(f"{f:.4g}") for f in near)}))


def _exposure(
    name: str,
    table: Any,
    default_s: float,
    matrix: np.ndarray | None,
    place: np.ndarray | None,
    pad: int,
) -> BuiltExposure:
    duration = table.duration_s or default_s
    if isinstance(table, gradient_tables.PresetExposureTable):
        preset = wf.preset(table.preset)
        wave: Any = wf.Sinusoid(preset.frequency_Hz, [preset.dbdt_rms_T_s], name=name, unusual=table.unusual)
        title = f"{preset.standard}, clause {preset.clause.split()[0]}: {_sinusoid(wave)}"
        return BuiltExposure(
            name,
            title,
            wave,
            table.duration_s or preset.duration_s,
            direction=_unit(table.direction, pad),
            preset=preset,
        )
    if isinstance(table, gradient_tables.SinusoidExposureTable):
        wave = wf.Sinusoid(table.frequency_Hz, [table.dbdt_rms_T_s], name=name, unusual=table.unusual)
        return BuiltExposure(name, _sinusoid(wave), wave, duration, direction=_unit(table.direction, pad))
    if isinstance(table, gradient_tables.TrapezoidExposureTable):
        wave = wf.trapezoid_train(
            table.field_T,
            rise_s=table.rise_s,
            flat_s=table.flat_s,
            gap_s=table.gap_s,
            direction=(1.0,),
            name=name,
            unusual=table.unusual,
        )
        title = f"trapezoids of {1e3 * table.field_T:g} mT, {_rms(wave)}"
        return BuiltExposure(name, title, wave, duration, direction=_unit(table.direction, pad))
    if isinstance(table, gradient_tables.EpiExposureTable):
        wave = wf.epi(**table.model_dump(exclude={"type", "duration_s"}), name=name)
        title = f"EPI of {table.echoes} echoes, {1e3 * table.echo_spacing_s:g} ms apart"
    elif isinstance(table, gradient_tables.PulseqExposureTable):
        from emdose.io.gradients.pulseq import read_sequence

        wave = read_sequence(table.file, unusual=table.unusual)
        title = f"Pulseq sequence {wave.name}, {wave.duration_s:.3g} s"
    else:
        from emdose.io.gradients.waveforms import read_waveform

        wave = read_waveform(table.file, table.quantity, unusual=table.unusual)
        title = f"samples of {table.quantity}, {wave.duration_s:.3g} s"
        if table.quantity != "gradient":
            matrix, place = np.eye(pad)[:, : wave.axes], None
    return BuiltExposure(name, title, wave, duration, matrix=matrix, position_m=place)


def _unit(direction: Any, pad: int) -> Any:
    if direction == "worst":
        return direction
    vector = np.asarray(direction, float)
    return np.concatenate([vector / np.linalg.norm(vector), np.zeros(pad - 3)])


def _sinusoid(wave: wf.Sinusoid) -> str:
    return f"{float(np.linalg.norm(wave.rms)):g} T/s rms at {wave.frequency_Hz:g} Hz"


def _rms(wave: wf.Waveform) -> str:
    return f"{float(np.linalg.norm(wave.rms)):.3g} T/s rms"
