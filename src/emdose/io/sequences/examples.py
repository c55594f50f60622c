"""Sequences to try things with, written by pypulseq when they are asked for: EPI and turbo spin echo."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

SLICE_m = 4e-3
FIELD_OF_VIEW_m = 0.22


def write_epi(path: Path | str, *, slices: int = 20, volumes: int = 2, lines: int = 64, spacing_s: float = 0.1) -> Path:
    """Write a gradient-echo EPI of several slices: fat saturation, an excitation and a train of echoes for each.

    Parameters
    ----------
    path : Path or str
        The file (.seq).
    slices, volumes, lines : int
        Slices of a volume, volumes, and echoes of a slice.
    spacing_s : float
        Time from one slice to the next [s].

    Source: built with pypulseq (K. Ravi et al., J. Open Source Softw. 4 (2019) 1725); timing made up here.
    """
    import pypulseq as mr

    system = _system(mr)
    sequence = mr.Sequence(system)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fat = mr.make_gauss_pulse(
            np.deg2rad(110), system=system, duration=8e-3, bandwidth=400.0, freq_offset=-440.0, use="saturation"
        )
        spoil = mr.make_trapezoid("z", system=system, area=4 / SLICE_m, duration=2e-3)
        pulse, select, rephase = mr.make_sinc_pulse(
            np.deg2rad(90),
            system=system,
            duration=3e-3,
            slice_thickness=SLICE_m,
            apodization=0.5,
            time_bw_product=4,
            return_gz=True,
            use="excitation",
        )
        step = 1 / FIELD_OF_VIEW_m
        blip = mr.make_trapezoid("y", system=system, area=step, duration=2e-4)
        read = mr.make_trapezoid("x", system=system, area=lines * step, duration=6e-4)
        turned = mr.scale_grad(read, -1)
        before_x = mr.make_trapezoid("x", system=system, area=-read.area / 2, duration=1e-3)
        before_y = mr.make_trapezoid("y", system=system, area=-lines / 2 * step, duration=1e-3)
        back = mr.make_trapezoid("z", system=system, area=rephase.area, duration=1e-3)
        used = sum(
            mr.calc_duration(*b) for b in ((fat,), (spoil,), (pulse, select), (before_x, before_y, back))
        ) + lines * (mr.calc_duration(read) + mr.calc_duration(blip))
        pause = mr.make_delay(round((spacing_s - used) / 1e-5) * 1e-5)
        for _ in range(volumes):
            for n in range(slices):
                pulse.freq_offset = select.amplitude * SLICE_m * (n - (slices - 1) / 2)
                sequence.add_block(fat)
                sequence.add_block(spoil)
                sequence.add_block(pulse, select)
                sequence.add_block(before_x, before_y, back)
                for line in range(lines):
                    sequence.add_block(read if line % 2 == 0 else turned)
                    sequence.add_block(blip)
                sequence.add_block(pause)
        return _written(sequence, path, "epi")


def write_tse(
    path: Path | str, *, slices: int = 15, shots: int = 6, echoes: int = 12, repetition_s: float = 3.0
) -> Path:
    """Write a turbo spin echo of several slices: an excitation and refocusing pulses of 180 degrees for each.

    Parameters
    ----------
    path : Path or str
        The file (.seq).
    slices, shots, echoes : int
        Slices, excitations of a slice, and refocusing pulses after each.
    repetition_s : float
        Time between two excitations of a slice [s].

    Source: as of :func:`write_epi`.
    """
    import pypulseq as mr

    system = _system(mr)
    sequence = mr.Sequence(system)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pulses: list[tuple[Any, Any]] = []
        for angle, use, phase in ((90, "excitation", np.pi / 2), (180, "refocusing", 0.0)):
            pulse, select, _ = mr.make_sinc_pulse(
                np.deg2rad(angle),
                system=system,
                duration=2.5e-3,
                slice_thickness=SLICE_m,
                apodization=0.5,
                time_bw_product=4,
                phase_offset=phase,
                return_gz=True,
                use=use,
            )
            pulses.append((pulse, select))
        (excite, select), (refocus, refocus_select) = pulses
        step = 1 / FIELD_OF_VIEW_m
        read = mr.make_trapezoid("x", system=system, flat_area=256 * step, flat_time=4e-3)
        before = mr.make_trapezoid("x", system=system, area=read.area / 2, duration=2e-3)
        crush = mr.make_trapezoid("z", system=system, area=4 / SLICE_m, duration=1.5e-3)
        one = (
            mr.calc_duration(excite, select)
            + mr.calc_duration(before)
            + echoes
            * (mr.calc_duration(refocus, refocus_select) + 2 * mr.calc_duration(crush) + mr.calc_duration(read))
        )
        pause = mr.make_delay(round((repetition_s / slices - one) / 1e-5) * 1e-5)
        for shot in range(shots):
            for n in range(slices):
                offset = SLICE_m * (n - (slices - 1) / 2)
                excite.freq_offset, refocus.freq_offset = select.amplitude * offset, refocus_select.amplitude * offset
                sequence.add_block(excite, select)
                sequence.add_block(before)
                for echo in range(echoes):
                    area = (shot + shots * echo - shots * echoes / 2) * step
                    encode, rewind = (
                        mr.make_trapezoid("y", system=system, area=sign * area, duration=1.5e-3) for sign in (1, -1)
                    )
                    sequence.add_block(refocus, refocus_select)
                    sequence.add_block(crush, encode)
                    sequence.add_block(read)
                    sequence.add_block(crush, rewind)
                sequence.add_block(pause)
        return _written(sequence, path, "tse")


def _system(mr: Any) -> Any:
    return mr.Opts(
        max_grad=40,
        grad_unit="mT/m",
        max_slew=140,
        slew_unit="T/m/s",
        rf_ringdown_time=2e-5,
        rf_dead_time=1e-4,
        adc_dead_time=1e-5,
    )


def _written(sequence: Any, path: Path | str, name: str) -> Path:
    path = Path(path)
    sequence.set_definition("Name", name)
    sequence.set_definition("FieldStrength", 3.0)
    sequence.write(str(path))
    return path
