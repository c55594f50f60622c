"""The command ``emdose audit``: fields of another program, what they are, and what SAR they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emdose.errors import InputError

OUT = Path("audit-result")


def audit(
    files: Annotated[list[Path], typer.Argument(help="Files of fields and Touchstone, or a folder of them.")],
    body: Annotated[
        Path | None, typer.Option("--body", help="Body in the file's coordinates (.h5, .nii, ...).")
    ] = None,
    frequency_Hz: Annotated[float | None, typer.Option("--frequency-hz", help="Frequency [Hz].")] = None,
    program: Annotated[str | None, typer.Option(help="CST, HFSS, Sim4Life, openEMS, CoSimPy, MARIE, ...")] = None,
    length: Annotated[str | None, typer.Option(help="m, cm, mm, um, in, or metres in one unit.")] = None,
    magnetic: Annotated[str | None, typer.Option(help="T, mT, uT, G, A/m, kA/m.")] = None,
    time: Annotated[str | None, typer.Option(help='"exp(+jwt)" or "exp(-jwt)".')] = None,
    amplitude: Annotated[str | None, typer.Option(help="peak or rms.")] = None,
    drive: Annotated[
        str | None, typer.Option(help='"sqrt(W)", "V incident", "V source", A, and these with peak or rms.')
    ] = None,
    components: Annotated[str | None, typer.Option(help="Order of components, such as xyz.")] = None,
    positions: Annotated[str | None, typer.Option(help='points, yee, "yee dual".')] = None,
    efficiency: Annotated[
        str | None, typer.Option(help='Least and largest share of the accepted power in the body: "0.8 0.95".')
    ] = None,
    accept_stated: Annotated[
        bool, typer.Option("--accept-stated", help="Take what files and programs say where the data cannot tell.")
    ] = False,
    weights: Annotated[str | None, typer.Option(help='Drive beside the limits, such as "1 1j -1 -1j".')] = None,
    coil_type: Annotated[str | None, typer.Option(help="Of the limits: volume, local or array.")] = None,
    patient_mass_kg: Annotated[
        float | None, typer.Option("--patient-mass-kg", help="Of the whole patient [kg].")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for page and JSON; audit-result.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> int:
    """Find what fields of another program are (peak or rms, sense of time, units, drive), then SAR and limits."""
    from emdose.auditing import audit as find
    from emdose.io.bodies.phantoms import read_phantom

    named: dict[str, Any] = {"length": _number(length), "magnetic": magnetic, "time": time, "amplitude": amplitude}
    named["drive"] = drive
    named |= {"components": components, "positions": positions}
    found = find(
        files if len(files) > 1 else files[0],
        None if body is None else read_phantom(body),
        frequency_Hz=frequency_Hz,
        program=program,
        efficiency=None if efficiency is None else [v.real for v in _numbers("efficiency", efficiency)],
        accept_stated=accept_stated,
        **{k: v for k, v in named.items() if v is not None},
    )
    if not quiet:
        typer.echo(found.table())
    options: dict[str, Any] = {"coil_type": coil_type, "patient_mass_kg": patient_mass_kg}
    options = {k: v for k, v in options.items() if v is not None}
    drive_weights = None if weights is None else _numbers("weights", weights)
    page = found.write(out or OUT, weights=drive_weights, **options, **({} if weights is None else {"device": device}))
    if not quiet:
        typer.echo(f"Open {page.resolve().as_uri()}")
    return 1 if found.open or found.contradicted or found.turned else 0


def _number(text: str | None) -> str | float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _numbers(name: str, text: str) -> list[complex]:
    try:
        return [complex(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise InputError("not numbers", field=name, found=text, expected='numbers, such as "1 1j -1 -1j"') from None
