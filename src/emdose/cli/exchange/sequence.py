"""The command ``emdose sequence``: Pulseq files on the coil of a scenario, and the safety sheet of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emdose.cli.telling.unfinished import Interrupted
from emdose.errors import InputError

if TYPE_CHECKING:
    from emdose.scenarios.sequences import SequenceSheet
    from emdose.scenarios.shared.scenario import LoadedScenario

DEMO_PAUSE_s = 10.0


def sequence(
    files: Annotated[list[Path], typer.Argument(help="Pulseq files (.seq) in the order they are played.")],
    scenario: Annotated[
        str, typer.Option("--scenario", "-s", help="Scenario (.toml), folder of its result, or a bundled name.")
    ],
    pause_s: Annotated[
        list[float] | None, typer.Option("--pause-s", help="Pause between sequences [s]; one for all, or repeatable.")
    ] = None,
    once: Annotated[
        bool | None,
        typer.Option("--once/--without-end", help="How it is played; one file without end, several once."),
    ] = None,
    repetition_s: Annotated[
        float | None, typer.Option("--repetition-s", help="Length of a repetition [s]; else from excitations.")
    ] = None,
    field_T: Annotated[
        float | None, typer.Option("--field-t", help="Field strength that the sequence was made for [T].")
    ] = None,
    peak_power_W: Annotated[
        float | None, typer.Option("--peak-power-w", help="Peak power of the amplifiers together [W].")
    ] = None,
    peak_amplitude: Annotated[
        float | None, typer.Option("--peak-amplitude", help="Largest drive of a channel [A or V, peak].")
    ] = None,
    relative_uncertainty: Annotated[
        float | None, typer.Option("--relative-uncertainty", help="Expanded uncertainty (k = 2) of SAR as a fraction.")
    ] = None,
    gradient_coils: Annotated[
        str, typer.Option("--gradient-coils", help="whole-body, head, insert, other, or none to leave them out.")
    ] = "whole-body",
    hardware: Annotated[
        Path | None, typer.Option("--hardware", help="Hardware file of the scanner's nerve stimulation (.asc).")
    ] = None,
    implant: Annotated[
        Path | None, typer.Option("--implant", help="Result folder of an implant in gradient fields: power and torque.")
    ] = None,
    implant_position_m: Annotated[
        tuple[float, float, float] | None, typer.Option("--implant-position-m", help="Its middle in the magnet [m].")
    ] = None,
    rf_raster_s: Annotated[
        float | None, typer.Option("--rf-raster-s", help="RF raster time that a file does not state [s].")
    ] = None,
    shim_phase: Annotated[
        str | None, typer.Option("--shim-phase", help="Phases of shims of PyPulseq_rfshim: radian or turns.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the sheet; sequence-sheet.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Solve the field again.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> int:
    """Write the safety sheet of sequences: SAR, B1+rms and energy in the worst windows, beside their limits."""
    pauses: Any = 0.0 if not pause_s else pause_s[0] if len(pause_s) == 1 else pause_s
    return write(
        files,
        scenario,
        out,
        device,
        force,
        quiet,
        pauses_s=pauses,
        repeated=None if once is None else not once,
        repetition_s=repetition_s,
        field_T=field_T,
        peak_power_W=peak_power_W,
        peak_amplitude=peak_amplitude,
        relative_uncertainty=relative_uncertainty,
        gradient_coils=None if gradient_coils == "none" else gradient_coils,
        hardware=hardware,
        implant=implant,
        implant_position_m=implant_position_m,
        rasters=None if rf_raster_s is None else {"RadiofrequencyRasterTime": rf_raster_s},
        shim_phase=shim_phase,
    )


def demo(scenario: LoadedScenario, out: Path, device: str, force: bool, quiet: bool) -> int:
    """Write an EPI and a turbo spin echo, and the sheet of both in turns on a bundled scenario.

    Parameters
    ----------
    scenario, out, device, force, quiet
        As of the command.
    """
    from emdose.io.sequences.examples import write_epi, write_tse
    from emdose.scenarios.folder import RunFolder
    from emdose.scenarios.sequences.field import FIELD

    field = RunFolder(out / FIELD)
    field.claim()  # what cannot be written to is told before anything is computed
    field.release()
    out.mkdir(parents=True, exist_ok=True)
    files = [write_epi(out / "epi.seq"), write_tse(out / "tse.seq")]
    return write(files, scenario, out, device, force, quiet, pauses_s=DEMO_PAUSE_s, repeated=True)


def write(
    files: list[Path],
    scenario: LoadedScenario | Path | str,
    out: Path | None,
    device: str,
    force: bool,
    quiet: bool,
    **options: Any,
) -> int:
    """Make a sheet, show its limits, and say where it is.

    Parameters
    ----------
    files, scenario, out, device, force, **options
        As of :func:`emdose.scenarios.sequences.sequence_sheet`.
    quiet : bool
        Print nothing but errors.
    """
    from rich.console import Console

    from emdose.cli.telling.progress import RunProgress
    from emdose.scenarios.sequences import sequence_sheet

    missing = [f for f in files if not f.is_file()]
    if missing:
        raise InputError("no such file", file=missing[0], expected="a Pulseq sequence (.seq)")
    try:
        with RunProgress(Console(stderr=True, highlight=False), quiet) as progress:
            sheet = sequence_sheet(files, scenario, out, device=device, force=force, progress=progress, **options)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; what was solved of the field is kept: the same command goes on") from None
    if not quiet:
        tell(sheet)
    return 0


def tell(sheet: SequenceSheet) -> None:
    """The sheet on the terminal."""
    from rich.console import Console

    from emdose.report import terminal
    from emdose.scenarios.sequences.sheet import PAGE_FILE

    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=200)
    for one in {e.name: e for e in (*sheet.exposures, sheet.whole)}.values():
        console.print(one.table(), highlight=False, markup=False, soft_wrap=True)
    terminal.checks(console, sheet.summary["checks"], sheet.summary["check_inputs"])
    console.print()
    if sheet.folder is not None:
        names = sorted(p.name for p in sheet.folder.iterdir() if p.is_file())
        for name in names:
            terminal.say(console, f"  {sheet.folder / name}")
        terminal.say(console, f"Open {(sheet.folder / PAGE_FILE).resolve().as_uri()}")
