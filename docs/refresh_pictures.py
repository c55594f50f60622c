"""Run the scripts of the gallery and keep a small picture of each: `python docs/refresh_pictures.py [NAME ...]`.

The pages show these pictures, so that a build runs none of the long scripts. Without names every script is run, which
takes some ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import io
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import emdose as em
from emdose.errors import InputError

HERE = Path(__file__).resolve().parent
EXAMPLES, PICTURES = HERE.parent / "examples", HERE / "images" / "gallery"
WIDE, HIGH = 480, 336
"""Pixels of a picture."""
Names = Mapping[str, Any]


def _sphere(names: Names) -> Figure:
    """Absorbed power over the voxel size beside the closed form."""
    sizes_mm, powers = (20, 10, 5), []
    for spacing in sizes_mm:
        sphere = em.phantoms.sphere(0.10, 1e-3 * spacing, tissue=names["tissue"])
        fields = em.Vie().solve(em.Exposure(sphere, em.PlaneWave(), names["frequency_Hz"]))
        powers.append(1e6 * fields.power.power()["absorbed_W"])
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    axes.axhline(1e6 * names["exact"], color="#b04a2f", label="Mie's series")
    axes.plot(sizes_mm, powers, "o-", label="Vie")
    axes.set(xlabel="voxel size [mm]", ylabel="absorbed power [µW]")
    axes.legend()
    return figure


def _hip(names: Names) -> Figure:
    """The surfaces that the script has read, and the rise in the slice of the hottest place."""
    figure = plt.figure(figsize=(6.4, 3.6), layout="constrained")
    left, right = figure.add_subplot(1, 2, 1, projection="3d"), figure.add_subplot(1, 2, 2)
    for part, colour in zip(names["hip"].parts, ("#9aa7b5", "#c9a15a"), strict=False):
        left.plot_trisurf(*part.vertices.T, triangles=part.triangles, color=colour, lw=0)
    left.view_init(elev=8, azim=-80)
    left.set_axis_off()
    left.set_aspect("equal")
    peak, rise = names["spot"], names["heat"].rise(names["direction"])
    grid = names["heat"].phantom.grid
    row = grid.index_of(peak.location_m)[1]
    extent = [1e3 * v for a in (0, 2) for v in (grid.bounds_m[0][a], grid.bounds_m[1][a])]
    image = right.imshow(rise[:, row].T, origin="lower", cmap="inferno", extent=extent)
    right.set(xlabel="x [mm]", ylabel="z [mm]")
    figure.colorbar(image, ax=right, label="rise after 10 min [K]")
    return figure


def _spectrum(names: Names) -> Figure:
    """Harmonics of dB/dt at the place of the rod."""
    found = names["spectrum"]
    strength = np.sqrt((np.abs(found.amplitudes) ** 2).reshape(len(found.frequencies_Hz), -1).sum(axis=1) / 2)
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    axes.stem(1e-3 * found.frequencies_Hz, strength, basefmt=" ", markerfmt=".")
    axes.set(xlabel="frequency [kHz]", ylabel="harmonics [T/s rms]", title="A Pulseq train at the rod")
    return figure


def _coil(names: Names) -> Figure:
    """A birdcage, and S-parameters of its feeds when it is tuned and matched."""
    network = names["matched"].s_parameters()
    figure = plt.figure(figsize=(6.4, 3.4), layout="constrained")
    left, right = figure.add_subplot(1, 2, 1, projection="3d"), figure.add_subplot(1, 2, 2)
    cage = em.Birdcage(rungs=4, radius_m=0.0875, length_m=0.1)  # where the metal of the script lies
    for start, stop in cage.segments:
        left.plot(*np.stack([start, stop], axis=1), color="#b8651b", lw=2.5)
    left.set_box_aspect((1, 1, 0.7))
    left.set_axis_off()
    for i in range(network.s.shape[1]):
        reflected = 20 * np.log10(np.abs(network.s[:, i, i]))
        right.plot(1e-6 * network.frequencies_Hz, reflected, label=f"S{i + 1}{i + 1}", ls="-" if i == 0 else "--")
    right.set(xlabel="frequency [MHz]", ylabel="[dB]", ylim=(-40, 2), title="tuned and matched")
    right.legend()
    return figure


def _around(coil: str, body: str) -> Callable[[Names], Figure]:
    """The conductors of a coil, and B1+ in the axial slice of the isocentre."""

    def draw(names: Names) -> Figure:
        figure = plt.figure(figsize=(6.4, 3.6), layout="constrained")
        left, right = figure.add_subplot(1, 2, 1, projection="3d"), figure.add_subplot(1, 2, 2)
        for segment in names[coil].segments:
            left.plot(*segment.T, color="#b8651b", lw=1.6)
        left.set_aspect("equal")
        left.set_axis_off()
        grid = names[body].grid
        index = grid.index_of((0.0, 0.0, 0.0))[2]
        b1plus = np.where(names[body].body, 1e6 * np.abs(names["fields"].b1plus()[0]), np.nan)[:, :, index]
        extent = [1e3 * v for a in (0, 1) for v in (grid.bounds_m[0][a], grid.bounds_m[1][a])]
        image = right.imshow(b1plus.T, origin="lower", extent=extent)
        right.set(xlabel="x [mm]", ylabel="y [mm]")
        figure.colorbar(image, ax=right, label="B1+ [µT]", shrink=0.8)
        return figure

    return draw


def _budget(names: Names) -> Figure:
    """The parts of a budget of uncertainty."""
    parts = {str(k): abs(float(v)) for k, v in names["budget"].items()}
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    axes.barh(list(parts), [100 * v for v in parts.values()])
    axes.set(xlabel="standard uncertainty [%]")
    return figure


def _of(name: str, quantity: str | None = None, **options: Any) -> Callable[[Names], Figure]:
    """`em.plot` of what a script has defined."""

    def draw(names: Names) -> Figure:
        grid = names[options["grid_of"]].grid if "grid_of" in options else None
        rest = {k: v for k, v in options.items() if k != "grid_of"}
        return em.plot(names[name], quantity, grid=grid, **rest)

    return draw


def _reconstructed(names: Names) -> Figure:
    """Conductivity of the map that a script has read."""
    return em.plot(em.ept.Helmholtz(radius=4).reconstruct(names["b1"]), "conductivity", axis="z")


DRAWN: dict[str, Callable[[Names], Figure]] = {
    "01_head_sar": _of("average", axis="x", grid_of="head", unit="W/kg"),
    "02_sphere_mie": _sphere,
    "03_parallel_transmission": _of("driven", "b1plus", axis="z", at_m=0.0),
    "04_what_if_tissue": _of("sar", axis="x"),
    "05_own_body": _of("leg", axis="z"),
    "06_ept_nifti": _of("maps", "conductivity", axis="z"),
    "11_tuned_birdcage": _coil,
    "12_implant_stl": _hip,
    "13_pulseq_heating": _spectrum,
    "14_rf_and_gradients": _of("sar", axis="y"),
    "30_implant_in_rf": _of("sar", axis="y"),
    "31_surgery_and_heat": _of("sar", axis="y"),
    "15_values_and_pictures": _of("fields", "b1plus", axis="z", at_m=0.0),
    "24_own_array": _around("array", "head"),
    "25_own_knee": _around("cage", "knee"),
    "26_scanner_to_map": _reconstructed,
    "27_own_plate": _of("run", axis="z"),
    "48_sequence_sheet": _of("exposure"),
    "ept_beside_eptlib": lambda names: em.plot(names["maps"]["emdose"], "conductivity", axis="z"),
    "ept_repeatability": _budget,
    "real_head_mni152": _of("average", axis="x", grid_of="head", unit="W/kg"),
}
"""What is drawn of a script that draws nothing itself."""


def picture(path: Path) -> Figure | Path:
    """The picture of a script: what the table above says, its last figure, the last file it wrote, or its last value.

    Parameters
    ----------
    path : Path
        The script, which is run in the current folder.
    """
    plt.close("all")
    names = runpy.run_path(str(path), run_name="__main__")
    if path.stem in DRAWN:
        return DRAWN[path.stem](names)
    if plt.get_fignums():
        return plt.figure(plt.get_fignums()[-1])
    written = sorted(Path().rglob("*.png"), key=lambda p: p.stat().st_mtime)
    if written:
        return written[-1].resolve()
    for value in reversed(list(names.values())):
        try:
            return em.plot(value)
        except (InputError, TypeError):
            continue
    raise SystemExit(f"{path.name}: nothing to draw; give it a line in DRAWN of {__file__}")


def save(found: Figure | Path, target: Path) -> None:
    """Write a picture small: of one size, on white, in 128 colours."""
    if isinstance(found, Figure):
        stream = io.BytesIO()
        found.savefig(stream, format="png", dpi=110, bbox_inches="tight")
        image = Image.open(stream).convert("RGB")
    else:
        image = Image.open(found).convert("RGB")
    image.thumbnail((WIDE, HIGH), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (WIDE, HIGH), "white")
    canvas.paste(image, ((WIDE - image.width) // 2, (HIGH - image.height) // 2))
    canvas.quantize(128).save(target, optimize=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of names of scripts; all of them without")
    wanted = parser.parse_args().names
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path in sorted(EXAMPLES.glob("*.py")):
        if wanted and not any(path.stem.startswith(name) for name in wanted):
            continue
        here = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                save(picture(path), PICTURES / f"{path.stem}.png")
            finally:
                os.chdir(here)
        print(path.stem, (PICTURES / f"{path.stem}.png").stat().st_size, "bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
