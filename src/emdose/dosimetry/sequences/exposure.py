r"""Exposure of a body by a whole sequence: SAR, B1+rms, energy, per block, per repetition and in the worst windows.

.. math:: \mathrm{SAR}_i(t) = v(t)^H Q_i v(t), \qquad v(t) = a(t) \, k \, s

with the amplitude a of a pulse [Hz], its shim s and the calibration k of :mod:`~emdose.dosimetry.sequences.reference`.
All averages are of the energy of the pulses themselves: neither the length of a block nor what stands behind a pulse
changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emdose.checks import array, flag, number, one_of, positive, within
from emdose.dosimetry.sequences.courses import RfCourse, SequenceWindow, of_use, window_maxima
from emdose.dosimetry.sequences.played import B1, POWER, PulsePeaks, SequenceExposure, SequenceQuantity
from emdose.dosimetry.sequences.pulses import NONE, PulseSequence
from emdose.dosimetry.sequences.reference import DriveReference
from emdose.dosimetry.transmission.blocks import QMatrixBlocks
from emdose.dosimetry.transmission.drives.quadratic import form_unit, hermitian
from emdose.dosimetry.transmission.global_forms import GlobalMatrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError
from emdose.values import owned

Local = QMatrices | QMatrixBlocks | VirtualObservationPoints
WINDOWS_S = (360.0, 10.0)
FIELD_NAMES = ("b0", "fieldstrength", "fieldt", "b0t")
"""Definitions of a file that say for which field it was made, as small letters alone."""
ANOTHER_FIELD = 0.05
"""Scanners of 3 T have 2.89 to 3 T: what differs by more is of another field strength."""
AT_ONCE = 20_000_000
"""Numbers in an array of matrices by ports and shims."""


def sequence_exposure(
    sequence: PulseSequence,
    matrices: GlobalMatrices,
    reference: DriveReference,
    *,
    local: Local | Mapping[str, Local] | None = None,
    windows_s: Sequence[float] = WINDOWS_S,
    repeated: bool = True,
    repetition_s: float | None = None,
    field_T: float | None = None,
    peak_power_W: float | None = None,
    peak_amplitude: float | Sequence[float] | None = None,
    relative_uncertainty: float | Mapping[str, float] | None = None,
) -> SequenceExposure:
    """What a sequence deposits in a body: SAR of body, parts and cubes, B1+rms and power, in the worst windows.

    Parameters
    ----------
    sequence : PulseSequence
        What is played; several in a row by :func:`emdose.protocol`.
    matrices : GlobalMatrices
        Of the body, its parts, and of the power of the coil.
    reference : DriveReference
        How pulses in Hz become drives of the coil, see :func:`emdose.drive_reference`.
    local : QMatrices, QMatrixBlocks, VirtualObservationPoints or mapping of str to them, optional
        Cubes of 1 g, 10 g or both, by a name; virtual observation points give bounds.
    windows_s : sequence of float
        Lengths of the windows [s].
    repeated : bool
        Whether the sequence is played without end, or once with nothing before and after it.
    repetition_s : float, optional
        Length of a repetition [s]; by default each begins with an excitation.
    field_T : float, optional
        Static field that the sequence was made for [T]; by default what its definitions say, where they do.
    peak_power_W : float, optional
        Largest power of the amplifiers together at the top of a pulse [W].
    peak_amplitude : float or (port,) sequence of float, optional
        Largest amplitude of every channel [drive unit].
    relative_uncertainty : float or mapping of str to float, optional
        Expanded uncertainty (k = 2) of all values of SAR, or of some by their name, as a fraction.

    Returns
    -------
    SequenceExposure
        One quantity for B1+rms, power, every part of the body and every set of local matrices.

    Raises
    ------
    InputError
        For shims of other channels than the coil has, ports, units of drives or frequencies that do not agree, a
        sequence of another field strength, pulses beyond the peak power or amplitude, and numbers that make no sense.

    Notes
    -----
    A file of one channel is played in the mode of the reference, times its shim. Windows are exact: see
    :class:`SequenceWindow`.

    Source: IEC 60601-2-33 for the windows of 6 min and 10 s; Pulseq specification 1.5.1 for shims.
    """
    flag("repeated", repeated)
    sets = _named(local)
    _require_together(matrices, reference, sets)
    require_playable(sequence, len(matrices.ports), matrices.frequency_Hz or reference.frequency_Hz, field_T)
    windows = tuple(positive("windows_s", w) for w in windows_s)
    spread = _uncertainties(relative_uncertainty, (*matrices.names, *sets))
    shims = _shims(sequence, reference)
    gain = reference.drive_per_Hz(sequence.gamma_Hz_T)
    drives = gain * shims
    power_name = next((n for n in ("forward", "delivered", "absorbed") if n in matrices.powers), "")
    peaks = _peaks(sequence, drives, reference, matrices.powers.get(power_name), power_name)
    _require_within(peaks, peak_power_W, peak_amplitude, reference)

    course = RfCourse.of(sequence)
    forms: dict[str, np.ndarray] = {B1: reference.mean_T(drives)[None] ** 2}
    about: dict[str, tuple[str, str, float | None, int]] = {B1: (B1, "T", None, 1)}
    if power_name:
        name = f"{power_name} {POWER}"
        forms[name], about[name] = _form(matrices.powers[power_name][None], drives), (POWER, "W", None, 1)
    for name, matrix, mass in zip(matrices.names, matrices.matrices, matrices.masses_kg, strict=True):
        forms[name], about[name] = _form(matrix[None], drives), ("SAR", "W/kg", float(mass), 1)
    rows: dict[str, np.ndarray] = {}
    for name, q in sets.items():
        form = np.concatenate([_form(hermitian(m, name), drives) for m in _blocks(q)])
        rows[name], count = of_use(form), len(form)
        forms[name], about[name] = form[rows[name]], ("local SAR", "W/kg", q.averaging_mass_kg, count)
    found = [window_maxima(course, forms, w, repeated=repeated) for w in windows]
    edges = _repetitions(sequence, repetition_s)
    per_repetition = np.diff(course.until(edges), axis=1)
    energy, shim = _block_energies(sequence)
    quantities = []
    for name, form in forms.items():
        kind, unit, mass, count = about[name]
        quantities.append(
            _quantity(
                name,
                (kind, unit, mass, count),
                form,
                rows.get(name),
                [one[name] for one in found],
                course.total,
                sequence.duration_s,
                (energy, shim, sequence.durations_s),
                (per_repetition, np.diff(edges)),
                spread.get(name),
            )
        )
    return SequenceExposure(
        sequence.name,
        tuple(quantities),
        windows,
        bool(repeated),
        owned(np.array(sequence.starts_s)),
        owned(np.array(sequence.durations_s)),
        owned(edges),
        peaks,
        reference,
        sequence.gamma_Hz_T,
        {
            "blocks": len(sequence.rf),
            "pulses": int((sequence.rf >= 0).sum()),
            "different_pulses": len(sequence.pulses),
            "shims": len(sequence.shims),
            "repetition_from": "an excitation" if repetition_s is None else "given",
            "frequency_Hz": matrices.frequency_Hz,
            "definitions": dict(zip(matrices.names, matrices.definitions, strict=True)),
            "bounds": [name for name, q in sets.items() if isinstance(q, VirtualObservationPoints)],
            "sequence": dict(sequence.about),
        },
        course,
        {name: owned(form) for name, form in forms.items()},
    )


def require_playable(
    sequence: PulseSequence, ports: int, frequency_Hz: float | None = None, field_T: float | None = None
) -> None:
    """Raise InputError for a sequence of other channels than a coil has, or of another field strength.

    Parameters
    ----------
    sequence : PulseSequence
        What is to be played.
    ports : int
        Channels of the coil.
    frequency_Hz : float, optional
        Frequency of the coil [Hz].
    field_T : float, optional
        Static field that the sequence was made for [T]; by default what its definitions say.
    """
    if sequence.channels not in (None, 1, ports):
        raise InputError(
            "channels differ between the sequence and the coil",
            field="RF_SHIMS",
            found=f"{sequence.channels} channels in '{sequence.name}'",
            expected=f"{ports}, as the coil has, or 1",
        )
    _require_field(sequence, frequency_Hz, field_T)


def _quantity(
    name: str,
    about: tuple[str, str, float | None, int],
    form: np.ndarray,
    rows: np.ndarray | None,
    windows: list[SequenceWindow],
    total: np.ndarray,
    duration_s: float,
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
    repetitions: tuple[np.ndarray, np.ndarray],
    spread: float | None,
) -> SequenceQuantity:
    """One row of an exposure: of B1+rms the roots, and of local SAR numbers of the matrices as they were given."""
    kind, unit, mass, count = about
    energy, shim, durations = blocks
    per_block = np.divide(form.max(axis=0)[shim] * energy, durations, out=np.zeros(len(energy)), where=durations > 0)
    per_repetition = _largest_of(form, repetitions[0]) / repetitions[1]
    deposited = float((form @ total).max())
    mean = deposited / duration_s
    if kind == B1:
        per_block, per_repetition, mean = np.sqrt(per_block), np.sqrt(per_repetition), float(np.sqrt(mean))
    values = tuple(
        replace(
            w, value=float(np.sqrt(w.value)) if kind == B1 else w.value, row=w.row if rows is None else int(rows[w.row])
        )
        for w in windows
    )
    return SequenceQuantity(
        name,
        kind,
        unit,
        mean,
        None if kind == B1 else deposited,
        values,
        owned(per_block),
        owned(per_repetition),
        mass,
        count,
        spread,
    )


def _largest_of(form: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """Largest row for every column of energies, (column,); columns that are the same are looked at once."""
    if form.shape[1] == 1:
        return np.asarray(form.max() * energies[0])
    if len(form) == 1:
        return np.asarray((form @ energies)[0])
    scale = energies.max() or 1.0
    _, first, back = np.unique(np.round(energies / scale, 13), axis=1, return_index=True, return_inverse=True)
    different = energies[:, first]
    step = max(1, AT_ONCE // len(form))
    best = [(form @ different[:, i : i + step]).max(axis=0) for i in range(0, len(first), step)]
    return np.asarray(np.concatenate(best)[back.ravel()])


def _block_energies(sequence: PulseSequence) -> tuple[np.ndarray, np.ndarray]:
    """Energy of every block [Hz^2 s], and the number of its shim."""
    energies = np.array([p.energy_Hz2_s for p in sequence.pulses] + [0.0])
    return energies[sequence.rf], np.asarray(sequence.shim) - NONE


def _repetitions(sequence: PulseSequence, repetition_s: float | None) -> np.ndarray:
    """Where repetitions begin and the last one ends, growing [s]."""
    total = sequence.duration_s
    if repetition_s is None:
        starts = sequence.starts_s[sequence.repetitions]
    else:
        within("repetition_s", repetition_s, 0.0, total * (1 + 1e-9), ends="(]", problem="repetition out of range")
        starts = repetition_s * np.arange(int(np.ceil(total / repetition_s * (1 - 1e-9))))
    return np.unique(np.append(starts[starts < total], total))


def _shims(sequence: PulseSequence, reference: DriveReference) -> np.ndarray:
    """Relative amplitudes of the channels with every shim, the default first, (shim, port)."""
    mode, own = reference.unit_mode, np.asarray(sequence.shims)
    if not len(own):
        return mode[None]
    if own.shape[1] == 1:  # one channel: whatever feeds the coil in its mode
        return np.concatenate([mode[None], own * mode])
    return np.concatenate([mode[None], own])


def _form(matrices: np.ndarray, drives: np.ndarray) -> np.ndarray:
    """v^H Q v of drives (shim, port), (matrix, shim); what rounding leaves below zero is zero."""
    outer = (drives.conj()[:, :, None] * drives[:, None, :]).reshape(len(drives), -1).T
    step = max(1, AT_ONCE // outer.size)
    out = np.empty((len(matrices), len(drives)))
    for low in range(0, len(matrices), step):
        some = np.asarray(matrices[low : low + step], complex)
        out[low : low + step] = (some.reshape(len(some), -1) @ outer).real
    return np.maximum(out, 0.0)


def _blocks(q: Local) -> Iterator[Any]:
    yield from q if isinstance(q, QMatrixBlocks) else [q]


def _named(local: Local | Mapping[str, Local] | None) -> dict[str, Local]:
    """Local matrices by name; one set alone is called by its mass."""
    if local is None:
        return {}
    if isinstance(local, Mapping):
        found = dict(local)
    else:
        mass = local.averaging_mass_kg
        found = {"point" if mass is None else f"{1e3 * mass:g} g": local}
    for name, q in found.items():
        if not isinstance(q, QMatrices | QMatrixBlocks | VirtualObservationPoints):
            expected = "QMatrices, QMatrixBlocks or VirtualObservationPoints"
            raise InputError("no local matrices", field=f"local['{name}']", found=type(q).__name__, expected=expected)
        if form_unit(q) != "W/kg":
            raise InputError("matrices of another quantity", field=f"local['{name}']", found=q.unit, expected="W/kg")
    return found


def _require_together(matrices: GlobalMatrices, reference: DriveReference, sets: Mapping[str, Local]) -> None:
    """Raise InputError when matrices and reference are not of one coil at one frequency."""
    others: list[tuple[str, Any]] = [("reference", reference), *((f"local['{k}']", q) for k, q in sets.items())]
    for name, one in others:
        if tuple(one.ports) != tuple(matrices.ports):
            raise InputError(
                "other ports than the global matrices",
                field=name,
                found=", ".join(one.ports),
                expected=", ".join(matrices.ports),
            )
        if one.drive_unit != matrices.drive_unit:
            raise InputError("another unit of drives", field=name, found=one.drive_unit, expected=matrices.drive_unit)
        f, g = one.frequency_Hz, matrices.frequency_Hz
        if f is not None and g is not None and abs(f - g) > 1e-6 * g:
            raise InputError("another frequency", field=name, found=f"{f:g} Hz", expected=f"{g:g} Hz")
    clash = set(sets) & {B1, *matrices.names}
    if clash:
        raise InputError("local matrices named like a part of the body", field="local", found=sorted(clash))


def _require_field(sequence: PulseSequence, frequency_Hz: float | None, field_T: float | None) -> None:
    """Raise InputError when a sequence, or a part of a protocol, was made for another field strength."""
    parts = ({"name": sequence.name, **sequence.about}, *sequence.about.get("parts", ()))
    stated = [(str(part["name"]), *one) for part in parts for one in _stated(part.get("definitions") or {})]
    if field_T is not None:
        stated = [(sequence.name, "field_T", positive("field_T", field_T))]
    if frequency_Hz is None:
        return
    own = frequency_Hz / sequence.gamma_Hz_T
    for name, by, said in stated:
        if abs(said - own) > ANOTHER_FIELD * own:
            raise InputError(
                f"'{name}' was made for another field strength",
                field=by,
                found=f"{said:g} T",
                expected=f"{own:.3g} T, the {frequency_Hz / 1e6:.4g} MHz of the coil",
            )


def _stated(definitions: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Definitions of a file that say for which field it was made, and the field [T]."""
    for key, value in definitions.items():
        if str(key).lower().replace("_", "").replace(" ", "") in FIELD_NAMES:
            yield str(key), number(str(key), _first(value), problem="field strength that is not a number")


def _first(value: Any) -> Any:
    """A definition of a file as a number, where it is one."""
    text = value[0] if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else value
    try:
        return float(text)
    except (TypeError, ValueError):
        return text


def _peaks(
    sequence: PulseSequence, drives: np.ndarray, reference: DriveReference, power: np.ndarray | None, name: str
) -> PulsePeaks:
    """Largest B1+, amplitude of a channel and power of any pulse, and the block that has it."""
    peak = np.array([p.peak_Hz for p in sequence.pulses] + [0.0])[sequence.rf]
    shim = np.asarray(sequence.shim) - NONE
    b1 = peak * reference.mean_T(drives)[shim]
    amplitudes = peak * np.abs(drives).max(axis=1)[shim]
    channels = np.zeros(drives.shape[1])
    for n in range(len(drives)):
        if (shim == n).any():
            channels = np.maximum(channels, peak[shim == n].max() * np.abs(drives[n]))
    watts = None if power is None else peak**2 * _form(power[None], drives)[0][shim]
    return PulsePeaks(
        float(b1.max()),
        float(amplitudes.max()),
        owned(channels),
        None if watts is None else float(watts.max()),
        name,
        int(np.argmax(amplitudes)),
        int(np.argmax(b1 if watts is None else watts)),
    )


def _require_within(peaks: PulsePeaks, power_W: float | None, amplitude: Any, reference: DriveReference) -> None:
    """Raise InputError for pulses beyond what the amplifiers have."""
    if power_W is not None:
        positive("peak_power_W", power_W)
        if peaks.power_W is None:
            raise InputError("no power matrix to compare with", field="peak_power_W", expected="matrices with powers")
        if peaks.power_W > power_W:
            raise InputError(
                "drive beyond the peak power",
                field=f"block {peaks.power_block + 1}",
                found=f"{peaks.power_W:.4g} W ({peaks.power_name})",
                expected=f"at most {power_W:g} W",
            )
    if amplitude is not None:
        n = len(reference.ports)
        most = array("peak_amplitude", np.broadcast_to(np.asarray(amplitude, float), (n,)), (n,), least=0.0)
        over = np.flatnonzero(peaks.channels > most)
        if len(over):
            k = int(over[0])
            raise InputError(
                "drive beyond the peak amplitude",
                field=f"channel {reference.ports[k]}",
                found=f"{peaks.channels[k]:.4g} {reference.drive_unit}",
                expected=f"at most {most[k]:g} {reference.drive_unit}",
            )


def _uncertainties(told: float | Mapping[str, float] | None, names: tuple[str, ...]) -> dict[str, float]:
    """Relative uncertainty of every value of SAR that has one."""
    if told is None:
        return {}
    if not isinstance(told, Mapping):
        told = dict.fromkeys(names, told)
    found = {}
    for name, value in told.items():
        one_of("relative_uncertainty", name, names, problem="uncertainty of no value")
        found[name] = within("relative_uncertainty", value, 0.0, np.inf, problem="number out of range")
    return found
