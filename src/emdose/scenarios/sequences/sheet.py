"""From Pulseq files and a scenario to the safety sheet of a sequence, or of a protocol of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emdose.checks import flag, one_of
from emdose.compliance.checks import GIVEN, Checks
from emdose.compliance.gradients import COILS
from emdose.compliance.sequences import check_sequence
from emdose.dosimetry.sequences.exposure import require_playable, sequence_exposure
from emdose.dosimetry.sequences.joining import protocol
from emdose.dosimetry.sequences.played import SequenceExposure
from emdose.dosimetry.sequences.pulses import PulseSequence
from emdose.dosimetry.stimulation.safe import SafeModel
from emdose.errors import InputError
from emdose.io.disk import atomic, files, run_files
from emdose.io.gradients.hardware_file import read_stimulation_model
from emdose.io.sequences.reading import read_pulse_sequence
from emdose.report.exposure_course import course_figure
from emdose.scenarios.run import provenance
from emdose.scenarios.sequences import field, gradients, metal, page, tables
from emdose.scenarios.sequences.gradients import WHOLE_BODY
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.values import read_only

PAGE_FILE, JSON_FILE, CSV_FILE = "sheet.html", "sheet.json", "sheet.csv"
BLOCKS_FILE, REPETITIONS_FILE, PLOT_FILE = "blocks.csv", "repetitions.csv", "sheet.png"
OUT = "sequence-sheet"


@read_only
@dataclass(frozen=True, eq=False)
class SequenceSheet:
    """The exposure by one sequence or by several in their order, beside the limits.

    Parameters
    ----------
    sequences : tuple of PulseSequence
        As they were read.
    exposures : tuple of SequenceExposure
        Of each alone.
    whole : SequenceExposure
        What stands beside the limits: of the only one, or of the protocol.
    checks : Checks
        Limits of SAR.
    summary : mapping
        Everything that the page shows, as plain values.
    folder : Path or None
        Where it was written.
    """

    sequences: tuple[PulseSequence, ...]
    exposures: tuple[SequenceExposure, ...]
    whole: SequenceExposure
    checks: Checks
    summary: Mapping[str, Any]
    folder: Path | None = None


def sequence_sheet(
    sequences: Sequence[Path | str | PulseSequence] | Path | str | PulseSequence,
    scenario: LoadedScenario | Path | str,
    out: Path | str | None = None,
    *,
    pauses_s: float | Sequence[float] = 0.0,
    repeated: bool | None = None,
    repetition_s: float | None = None,
    field_T: float | None = None,
    peak_power_W: float | None = None,
    peak_amplitude: float | Sequence[float] | None = None,
    relative_uncertainty: float | None = None,
    gradient_coils: str | None = WHOLE_BODY,
    hardware: SafeModel | Path | str | None = None,
    implant: Path | str | None = None,
    implant_position_m: Sequence[float] | None = None,
    rasters: Mapping[str, float] | None = None,
    shim_phase: str | None = None,
    device: str = "auto",
    force: bool = False,
    progress: Any = True,
) -> SequenceSheet:
    """The safety sheet of Pulseq sequences on the coil and body of a scenario, written to a folder.

    Parameters
    ----------
    sequences : path, PulseSequence, or several of them
        Files (.seq) in the order they are played.
    scenario : LoadedScenario, Path or str
        Coil and body: a scenario of a kind with a transmit coil, the folder of its result, or the name of a bundled
        one. Its field is solved in the folder ``field`` of the sheet, or taken from there.
    out : Path or str, optional
        Folder of the sheet; by default "sequence-sheet".
    pauses_s : float or sequence of float
        Pauses between sequences [s].
    repeated : bool, optional
        Whether all of it is played without end, or once; by default one sequence is, and several are played once.
    repetition_s, field_T, peak_power_W, peak_amplitude
        As of :func:`emdose.sequence_exposure`.
    relative_uncertainty : float, optional
        Expanded uncertainty (k = 2) of SAR as a fraction; by default what the run of the scenario says, by its study
        where it has a table [uncertainty].
    gradient_coils : "whole-body", "head", "insert", "other" or None
        Of the scanner: the parameters for nerves hold for whole-body ones. None leaves gradients out.
    hardware : SafeModel, Path or str, optional
        Hardware model of stimulation of the scanner, or its file, see :func:`emdose.read_stimulation_model`.
    implant : Path or str, optional
        Result folder of an implant in gradient fields, for the power and the torque of these gradients in it.
    implant_position_m : (float, float, float), optional
        Middle of the implant in the magnet [m]; by default that of its run.
    rasters, shim_phase
        As of :func:`emdose.read_pulse_sequence`.
    device, force, progress
        As of :func:`emdose.run_scenario`.

    Returns
    -------
    SequenceSheet
        With ``sheet.html``, ``sheet.json``, ``sheet.csv``, ``sheet.png``, ``blocks.csv`` and ``repetitions.csv`` in
        its folder, all of them or none.

    Raises
    ------
    InputError
        For files, scenarios and options that cannot be used; nothing was solved then, but for drives beyond what the
        amplifiers have.
    NotValidError
        When the field is not valid.
    OutputError, ResourceError, ConvergenceError, DeviceError
        As the run of the scenario.
    """
    given = [sequences] if isinstance(sequences, Path | str | PulseSequence) else list(sequences)
    if repeated is not None:
        flag("repeated", repeated)
    folder = Path(OUT) if out is None else Path(out)
    if gradient_coils is not None:
        one_of("gradient_coils", gradient_coils, COILS, problem="unknown gradient coils")
    scanner = read_stimulation_model(hardware) if isinstance(hardware, Path | str) else hardware
    read = [
        one
        if isinstance(one, PulseSequence)
        else read_pulse_sequence(one, gradients=gradient_coils is not None, rasters=rasters, shim_phase=shim_phase)
        for one in given
    ]
    read = _told_apart(read)
    names = [str(one) if isinstance(one, Path | str) else one.name for one in given]
    joined = protocol(read, pauses_s) if len(read) != 1 else read[0]
    asked = field.asked(scenario, folder, device)
    for one, name in zip(read, names, strict=True):
        try:
            require_playable(one, asked.ports, asked.frequency_Hz, field_T)
        except InputError as error:
            raise error.at(file=name) from None
    switched = gradients.evaluated(read, gradient_coils, scanner)
    again = len(read) == 1 if repeated is None else repeated
    metal_rows = None
    if implant is not None:
        B0 = asked.frequency_Hz / read[0].gamma_Hz_T
        metal_rows = metal.of_implant(read, implant, B0, position_m=implant_position_m, repeated=again)
    transmit, summary, judged = field.solved(asked, device=device, force=force, progress=progress)
    matrices = field.matrices_of(transmit, summary, channels=(joined.channels or 1) > 1, device=device)
    options: dict[str, Any] = {
        "local": matrices.local,
        "repetition_s": repetition_s,
        "field_T": field_T,
        "peak_power_W": peak_power_W,
        "peak_amplitude": peak_amplitude,
        "relative_uncertainty": matrices.uncertainties if relative_uncertainty is None else relative_uncertainty,
    }
    exposures = []
    for one, name in zip(read, names, strict=True):
        try:
            exposures.append(sequence_exposure(one, matrices.parts, matrices.reference, repeated=True, **options))
        except InputError as error:
            raise error.at(file=name) from None
    whole = exposures[0]
    if len(read) > 1 or not again:
        options["repetition_s"] = None if len(read) > 1 else repetition_s
        whole = sequence_exposure(joined, matrices.parts, matrices.reference, repeated=again, **options)
    checks = check_sequence(whole, validity=judged, **matrices.checks)
    told = {
        "scenario": summary["scenario"],
        "validity": summary.get("validity", {}),
        "provenance": {
            **provenance(asked.scenario),
            "sequences_sha256": {Path(n).name: files.sha256(n) for n in names if Path(n).is_file()},
            "field": str(asked.folder),
        },
        "body": {"name": transmit.body.name, "mass_kg": float(transmit.body.mass_kg)},
        "coil": {"name": transmit.coil.name, "ports": list(transmit.fields.ports)},
        "frequency_Hz": asked.frequency_Hz,
        "gradients": switched,
        "implant": metal_rows,
        "uncertainty_kind": matrices.uncertainty_kind if relative_uncertainty is None else GIVEN,
        "warnings": [*summary.get("warnings", []), *matrices.notes],
    }
    full = tables.summarised(read, exposures, whole, checks, told)
    sheet = SequenceSheet(tuple(read), tuple(exposures), whole, checks, full, folder)
    _write(sheet, folder, asked.folder)
    return sheet


def _told_apart(sequences: Sequence[PulseSequence]) -> list[PulseSequence]:
    """Sequences of one name with a number behind it, which tables tell them by."""
    seen: dict[str, int] = {}
    found = []
    for one in sequences:
        seen[one.name] = seen.get(one.name, 0) + 1
        found.append(one if seen[one.name] == 1 else replace(one, name=f"{one.name} ({seen[one.name]})"))
    return found


def _write(sheet: SequenceSheet, folder: Path, solved: Path) -> None:
    """All files at once; they appear when every one of them is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    html = page.render(sheet.summary, solved)
    with atomic.staging(folder) as stage:
        course_figure(sheet.whole).savefig(stage.path(PLOT_FILE), format="png", dpi=150)
        for name, text in (
            (BLOCKS_FILE, tables.blocks_csv(sheet.whole)),
            (REPETITIONS_FILE, tables.repetitions_csv(sheet.whole)),
            (CSV_FILE, tables.sheet_csv(sheet.summary)),
            (PAGE_FILE, html),
            (JSON_FILE, run_files.to_json(dict(sheet.summary), indent=1) + "\n"),
        ):
            stage.path(name).write_text(text, encoding="utf-8")
        stage.flush()
