"""The commands themselves; each imports what it needs when it runs, so that ``--help`` answers at once."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emdose.cli.telling.unfinished import Interrupted
from emdose.errors import EmdoseWarning, InputError, OutputError

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios import LoadedScenario, RunOutcome

app = typer.Typer(
    name="emdose",
    help="Numerical dosimetry for MRI safety: fields, SAR and limits of a body in an RF coil; EPT.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


DEFAULT_DEMO = "head-3t"
SHEET = "sequence-sheet"
"""The demo that plays sequences on its scenario."""
PLAIN_WIDTH = 200

Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results; made when it does not exist.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run in the folder.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier result of emdose in the folder.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
VerifiedBy = Annotated[
    Path | None, typer.Option("--verified-by", help="Limits that you read in your copy of a standard (.csv, .toml).")
]
UseValue = Annotated[
    list[str] | None, typer.Option("--use-value", help="Name of a limit whose confirmed value is used; repeatable.")
]
NoReport = Annotated[bool, typer.Option("--no-report", help="Do not write report.html.")]
NoRf = Annotated[bool, typer.Option("--no-rf", help="Leave RF heating out of the sheet of a label: a minute.")]


def _version(wanted: bool) -> None:
    if wanted:
        from emdose.version import __version__

        typer.echo(f"emdose {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has stopped before
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Numerical dosimetry for MRI safety: fields, SAR and limits of a body in an RF coil."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="Scenario (.toml).")],
    out: Out = None,
    device: Device = "auto",
    resume: Resume = False,
    force: Force = False,
    quiet: Quiet = False,
    no_report: NoReport = False,
) -> int:
    """Run a scenario: solve, average, check the limits or reconstruct, and write a folder with the results."""
    folder = out if out is not None else Path(f"{file.stem.removesuffix('.lock')}-result")
    return _run(file, folder, device, resume, force, quiet, no_report)


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="Name of a bundled scenario, see --list.")] = DEFAULT_DEMO,
    list_: Annotated[bool, typer.Option("--list", help="List the bundled scenarios.")] = False,
    out: Out = None,
    device: Device = "auto",
    resume: Resume = False,
    force: Force = False,
    quiet: Quiet = False,
    no_report: NoReport = False,
    no_rf: NoRf = False,
) -> int:
    """Run a scenario that comes with emdose."""
    from emdose import scenarios

    if list_:
        for each in scenarios.bundled_names():
            header = scenarios.load(scenarios.bundled(each)).tables.scenario
            typer.echo(f"{each:24} {header.description or ''}")
        return 0
    scenario = scenarios.load(scenarios.bundled(name))
    out = out or Path(f"emdose-{name}")
    if name == SHEET:
        from emdose.cli.exchange import sequence as sheets_of_sequences

        return sheets_of_sequences.demo(scenario, out, device, force, quiet)
    if scenario.kind == "label" and not no_rf:
        from emdose.cli import label as sheets

        scenario = sheets.with_rf(_console(stderr=True), scenario, out, True, device, force, quiet, no_report)
    return _run(scenario, out, device, resume, force, quiet, no_report)


@app.command()
def label(
    implant: Annotated[list[str], typer.Argument(help="Surface (.stl, .ply, ...), hip, knee, shoulder, or .toml.")],
    metal: Annotated[str | None, typer.Option("--metal", help="Its metal, such as CoCrMo.")] = None,
    unit: Annotated[str, typer.Option("--unit", help="Unit of the surface: mm, cm, m or in.")] = "mm",
    fields: Annotated[list[str] | None, typer.Option("--fields", help="Scanners in tesla: --fields 1.5 3.")] = None,
    coarse: Annotated[bool, typer.Option("--coarse", help="Larger voxels: minutes instead of tens of them.")] = False,
    out: Out = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    no_report: NoReport = False,
    no_rf: NoRf = False,
) -> int:
    """Write the sheet that an implant's MR label is written from: allowed exposures, scan times, forces, with U."""
    from emdose.cli import label as sheets

    scenario = sheets.asked(implant, metal, unit, fields or [], coarse)
    out = out or Path(f"{Path(implant[0]).stem}-label")
    if not no_rf:
        scenario = sheets.with_rf(_console(stderr=True), scenario, out, coarse, device, force, quiet, no_report)
    return _run(scenario, out, device, False, force, quiet, no_report)


@app.command()
def sweep(
    file: Annotated[str, typer.Argument(help="Sweep (.toml), or the name of a bundled one: prostheses.")],
    executor: Annotated[str | None, typer.Option("--executor", help="serial, processes:N or dask://host:port.")] = None,
    out: Out = None,
    device: Device = "auto",
    force: Force = False,
) -> int:
    """Run a matrix of cases, implants x fields x sequences x regions: solved once per implant; one page."""
    from emdose.cli import sweep as sweeps

    return sweeps.run(_console(), _console(stderr=True), file, out, executor, device, force)


@app.command()
def refine(
    scenario: Annotated[Path, typer.Argument(help="Scenario (.toml), or the name of a bundled one.")],
    spacings: Annotated[
        str | None,
        typer.Option("--spacings", help='Spacings in metres, such as "6e-3 4e-3 3e-3"; default x2, x1.5, x1.'),
    ] = None,
    out: Out = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    no_report: NoReport = False,
) -> int:
    """Run a scenario on several grids: order, extrapolation, and what the grid leaves uncertain of every number."""
    from emdose.cli import refinement

    consoles = (_console(), _console(stderr=True))
    try:
        return refinement.run(*consoles, scenario, spacings, out, device, force, quiet, no_report)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; finished grids are kept: the same command goes on") from None


@app.command()
def study(
    scenario: Annotated[Path, typer.Argument(help="Scenario (.toml), or the name of a bundled one.")],
    method: Annotated[str | None, typer.Option(help="budget, chaos or monte-carlo.")] = None,
    runs: Annotated[int | None, typer.Option(help="Samples at the most.")] = None,
    target: Annotated[float | None, typer.Option(help="Leave-one-out error that is small enough.")] = None,
    minutes: Annotated[float | None, typer.Option(help="After so long no further sample is begun.")] = None,
    trials: Annotated[int | None, typer.Option(help="Trials of the model beside the polynomials.")] = None,
    executor: Annotated[
        str | None, typer.Option(help="serial, threads, processes (with a count: processes:4), dask://host:port.")
    ] = None,
    output: Annotated[list[str] | None, typer.Option("--output", help="Name of a quantity; repeatable.")] = None,
    out: Out = None,
    device: Device = "auto",
    resume: Annotated[  # noqa: ARG001 - samples that are kept are always used
        bool, typer.Option("--resume", help="Go on with a study in the folder, as it does anyway.")
    ] = False,
    force: Force = False,
    quiet: Quiet = False,
    no_report: NoReport = False,
) -> int:
    """Study what is uncertain about a scenario: its table [uncertainty], or the default laws of its kind."""
    from emdose.cli import study as studies

    changes: dict[str, object] = {"method": method, "runs": runs, "target": target, "minutes": minutes}
    changes |= {"executor": executor, "outputs": output or None, "trials": trials}
    try:
        return studies.run(_console(), _console(stderr=True), scenario, out, changes, device, force, quiet, no_report)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; finished samples are kept: the same command goes on") from None


@app.command()
def check(
    target: Annotated[Path, typer.Argument(help="Result folder, or a scenario (.toml).")],
    standard: Annotated[str | None, typer.Option(help="Standard.")] = None,
    edition: Annotated[str | None, typer.Option(help="Edition of the standard.")] = None,
    coil_type: Annotated[str | None, typer.Option(help="volume, local or array.")] = None,
    patient: Annotated[bool | None, typer.Option(help="Whether the phantom stands for a patient.")] = None,
    duty_cycle: Annotated[float | None, typer.Option(help="Fraction of the time over 6 min.")] = None,
    duty_cycle_10s: Annotated[
        float | None, typer.Option("--duty-cycle-10s", help="Fraction of the worst 10 s.")
    ] = None,
    ambient_degC: Annotated[float | None, typer.Option("--ambient-degC", help="Room temperature [degC].")] = None,
    patient_mass_kg: Annotated[
        float | None, typer.Option("--patient-mass-kg", help="Mass of the whole patient [kg].")
    ] = None,
    head: Annotated[str | None, typer.Option(help="Name of the head region that counts.")] = None,
    relative_uncertainty: Annotated[
        float | None, typer.Option("--relative-uncertainty", help="Expanded uncertainty (k = 2) of SAR as a fraction.")
    ] = None,
    verified_by: VerifiedBy = None,
    use_value: UseValue = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the table to this file.")] = None,
    device: Device = "auto",
) -> int:
    """Check the limits of a finished run again under other circumstances, or a scenario without running it."""
    options = {
        "standard": standard,
        "edition": edition,
        "coil_type": coil_type,
        "patient": patient,
        "duty_cycle": duty_cycle,
        "duty_cycle_10s": duty_cycle_10s,
        "ambient_degC": ambient_degC,
        "patient_mass_kg": patient_mass_kg,
        "head": head,
        "relative_uncertainty": relative_uncertainty,
        "verified_by_file": None if verified_by is None else str(verified_by),
        "use_values": use_value or None,
    }
    changes = {k: v for k, v in options.items() if v is not None}
    if target.suffix == ".toml" or (target.is_file() and target.name != "result.h5"):
        if changes or json_file:
            raise InputError(
                "options of a check need a result folder, not a scenario",
                file=target,
                found=", ".join([*changes, *(["json"] if json_file else [])]),
            )
        from emdose.cli import outcome

        return outcome.checked_scenario(target, device)
    from emdose.io.disk import atomic, run_files
    from emdose.report import terminal
    from emdose.scenarios import results
    from emdose.validity import Validity

    folder = target.parent if target.is_file() else target
    table = results.recheck(folder, changes, device)
    if "validity" in table["check_inputs"]:
        terminal.validity(_console(), Validity.of_dict(table["check_inputs"]["validity"]))
    terminal.checks(_console(), table["checks"], table["check_inputs"])
    if json_file is not None:
        atomic.write_text(json_file, run_files.to_json(table, indent=1) + "\n")
    return 0


@app.command()
def limits(
    standard: Annotated[str | None, typer.Option(help="Part of the name of a standard.")] = None,
    edition: Annotated[str | None, typer.Option(help="Part of the edition.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Part of the quantity, such as SAR.")] = None,
    mode: Annotated[str | None, typer.Option(help="Part of the mode or group, such as normal or public.")] = None,
    region: Annotated[str | None, typer.Option(help="Part of the region.")] = None,
    state: Annotated[str | None, typer.Option(help="verified, inherited or unverified.")] = None,
    frequency_Hz: Annotated[float | None, typer.Option("--frequency-hz", help="Limits at this frequency [Hz].")] = None,
    verified_by: VerifiedBy = None,
    use_value: UseValue = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the rows to this file instead; - for the terminal.")
    ] = None,
) -> int:
    """List the limits that emdose knows, each with its state and source."""
    from emdose.cli import limits as listing

    parts = {"standard": standard, "edition": edition, "quantity": quantity, "mode": mode, "region": region}
    rows = listing.chosen(parts, state, frequency_Hz, verified_by, use_value or ())
    return listing.write(rows, csv_file) if csv_file is not None else listing.show(_console(), rows)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Result folder.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write instead of report.html in it.")] = None,
    methods: Annotated[
        bool, typer.Option("--methods", help="Print the methods, ready for a paper, instead of writing the report.")
    ] = False,
) -> int:
    """Write the report of a finished run, or the page of a study, again."""
    from emdose.cli import compare as pages

    return pages.report(folder, out, methods)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Result folder.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Result folder of a run of the same kind.")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="C ...", help="Further ones, beside the first.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Page to write; compare.html in this folder by default.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the differences to this file.")] = None,
    quiet: Quiet = False,
    no_report: NoReport = False,
) -> int:
    """Set finished runs side by side: differences to the first within and beyond U, scenarios, maps on one scale."""
    from emdose.cli import compare as comparison

    return comparison.run(_console(), [first, second, *(more or [])], out, json_file, quiet, no_report)


@app.command()
def group(
    folders: Annotated[list[Path], typer.Argument(help="Result folders of one kind, or one folder that holds them.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Page to write instead of group.html.")] = None,
    quantity: Annotated[list[str] | None, typer.Option(help="Name of a number to show; may be repeated.")] = None,
    stratum: Annotated[
        str | None, typer.Option(help='Key of the scenario that splits the runs, such as "phantom.landmark".')
    ] = None,
) -> int:
    """Put many finished runs on one page: table, percentiles, distributions, outliers, links to each."""
    from emdose.cli import compare as pages

    return pages.group(folders, out, quantity, stratum)


@app.command()
def validate(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows to this file.")] = None,
    case: Annotated[list[str] | None, typer.Option("--case", help="Run only this case; may be repeated.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the cases.")] = False,
    long: Annotated[bool, typer.Option("--long", help="Also run, or list, the cases that take minutes.")] = False,
    device: Device = "auto",
) -> int:
    """Compare emdose with closed forms and other references; exit code 1 when a row misses its tolerance."""
    from emdose.cli import validation

    return validation.validate(_console(), _console(stderr=True), json_file, case or [], list_, long, device)


@app.command()
def ept(
    eptlib: Annotated[Path, typer.Option("--eptlib", help="Configuration file of EPTlib (.toml).")],
    device: Device = "auto",
    quiet: Quiet = False,
) -> int:
    """Run a configuration of EPTlib with emdose: the same inputs and options, outputs at the same addresses."""
    from emdose.cli import eptlib as runner

    return runner.run(_console(), eptlib, device, quiet)


@app.command()
def devices() -> int:
    """Print what emdose found to compute with: processor, GPU, compiler, memory, bandwidth."""
    from emdose.compute import backend
    from emdose.solvers.running import size

    chosen = backend.get("auto").name
    for name, trouble in backend.available().items():
        if trouble:
            typer.echo(f"{name}: not available: {trouble}")
            continue
        be = backend.get(name)
        about = be.describe()
        typer.echo(f"{name}: {about['name']}{' (used by default)' if name == chosen else ''}")
        for key, value in about.items():
            if key not in ("device", "name"):
                text = size(value) if key.endswith("_bytes") else value
                typer.echo(f"    {key.removesuffix('_bytes').replace('_', ' ')}: {text}")
        typer.echo(f"    bandwidth: {backend.measure_bandwidth(be) / 1e9:.3g} GB/s (a = b + s c, double precision)")
    return 0


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH)
    return console


def _run(
    file: Path | LoadedScenario, out: Path, device: str, resume: bool, force: bool, quiet: bool, no_report: bool
) -> int:
    from emdose import scenarios
    from emdose.cli.outcome import told, verdict
    from emdose.cli.telling import unfinished
    from emdose.cli.telling.progress import RunProgress
    from emdose.io.disk.claim import InUseError
    from emdose.scenarios.study import run_scenario

    scenario = scenarios.load(file) if isinstance(file, Path) else file
    noun = scenarios.kind(scenario.kind).part
    errors = _console(stderr=True)
    heard: list[warnings.WarningMessage] = []
    try:
        # A run that ends well has them in its summary, which is shown below.
        with warnings.catch_warnings(record=True) as heard, RunProgress(errors, quiet) as progress:
            warnings.simplefilter("always", EmdoseWarning)
            outcome = run_scenario(scenario, out, device=device, resume=resume, force=force, progress=progress)
        written = None if no_report else _report(outcome, force)
    except KeyboardInterrupt:
        _say_again(heard)
        raise Interrupted(f"interrupted; {unfinished.how_to_go_on(out, noun)}") from None
    except InUseError:
        raise
    except OutputError as error:
        _say_again(heard)
        kept = unfinished.is_solved(out) or unfinished.kept_parts(out)
        raise (OutputError(f"{error}; {unfinished.how_to_go_on(out, noun)}") if kept else error) from None
    return verdict(outcome) if quiet else told(_console(), _console(stderr=True), outcome, written)


def _say_again(heard: list[warnings.WarningMessage]) -> None:
    """Warnings of a run that has come to no summary: that there is no checkpoint, say."""
    for text in dict.fromkeys(str(w.message) for w in heard if issubclass(w.category, EmdoseWarning)):
        typer.echo(f"emdose: warning: {text}", err=True)


def _report(outcome: RunOutcome, force: bool) -> Path:
    from emdose.cli.compare import pages_of
    from emdose.io.disk.run_files import REPORT_FILE

    there = outcome.folder / REPORT_FILE
    return there if outcome.state == "finished" and there.exists() and not force else pages_of(outcome.folder)
