"""Every method on a few voxels of a made-up field, so that what it refuses is refused before anything is solved."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.constants import EPS_0, MU_0
from emdose.ept import B1Map, relative_noise
from emdose.errors import ConvergenceError
from emdose.models.grids.grid import Grid
from emdose.scenarios.kinds.ept import build
from emdose.scenarios.shared.tables import blamed_on

MARGIN = 4
"""Voxels beside the widest window."""
SNR = 1e4
TISSUE = 60.0, 0.6
"""Relative permittivity and conductivity [S/m] of the made-up object."""
OFF_CENTRE_m = 0.05
"""Distance of the middle of every channel's field from that of the block, where there are several."""
DRAWS, STEPS = 3, 2


@dataclass(frozen=True)
class Kit:
    """What the methods of a scenario work with.

    Parameters
    ----------
    file : object
        The scenario, for errors.
    tables : EptScenario
        Its tables.
    grid : Grid
        Grid of the data.
    coil : Coil, PlaneWave or None
        The coil, where there is one.
    drives : (str, str) or None
        How it transmitted and received.
    channels : int
        Transmit channels of the data.
    present : set of str
        Which of "magnitude", "phase" and "reference" the data have.
    noise_known : bool
        Whether their noise is stated.
    phase_kind : str
        "transceive" or "transmit".
    device : str
        "cpu" or "cuda".
    """

    file: object
    tables: Any
    grid: Grid
    coil: Any
    drives: tuple[str, str] | None
    channels: int
    present: set[str]
    noise_known: bool
    phase_kind: str
    device: str


def rehearse(kit: Kit) -> None:
    """Run the methods of a scenario, with few draws and few steps, on a block of one tissue.

    Raises
    ------
    InputError
        When a method, its filter or its draws cannot serve such data, whatever they hold.
    """
    for name, table in kit.tables.methods.items():
        few = {"monte_carlo": min(DRAWS, getattr(table, "monte_carlo", 0)), "max_iterations": STEPS}
        short = table.model_copy(update={k: v for k, v in few.items() if k in type(table).model_fields})
        method = build.method(short, kit.file, name, kit.coil, kit.drives)
        b1 = _block(kit, table)
        with warnings.catch_warnings(), blamed_on(kit.file, f"methods.{name}"):
            warnings.simplefilter("ignore")  # of a made-up object
            with contextlib.suppress(ConvergenceError):
                build.reconstructed(method, short, b1, kit.device)


def _block(kit: Kit, table: Any) -> B1Map:
    """sin(kr)/(kr) about a point for every channel: a solution of the Helmholtz equation of one tissue."""
    windows = [getattr(table, "radii", (0,)), getattr(table, "radius", (0,))]
    if table.filter is not None:
        windows.append(table.filter.radius)
    wide = 2 * max(map(max, windows)) + 1 + 2 * MARGIN
    shape: Any = tuple(min(n, wide) for n in kit.grid.shape)
    steps = kit.grid.spacing_m
    middle = [0.5 * (a + b) for a, b in zip(*kit.grid.bounds_m, strict=True)]
    origin: Any = tuple(m - 0.5 * n * h for m, n, h in zip(middle, shape, steps, strict=True))
    grid = Grid(shape, steps, origin)
    frequency_Hz = kit.tables.exposure.frequency_Hz
    omega, (permittivity, conductivity) = 2 * np.pi * frequency_Hz, TISSUE
    k = np.sqrt(omega * MU_0 * (omega * EPS_0 * permittivity - 1j * conductivity))
    axes = np.meshgrid(*(grid.centres(a) - middle[a] for a in range(3)), indexing="ij")
    fields = []
    for angle in 2 * np.pi * np.arange(kit.channels) / kit.channels:
        away = 0.0 if kit.channels == 1 else OFF_CENTRE_m
        x, y = axes[0] - away * np.cos(angle), axes[1] - away * np.sin(angle)
        r = np.sqrt(x**2 + y**2 + axes[2] ** 2) + 1e-9
        fields.append(np.exp(1j * angle) * np.sin(k * r) / (k * r))
    b1plus = np.stack(fields) if kit.channels > 1 else fields[0]
    shown = b1plus**2 if kit.phase_kind == "transceive" else b1plus
    b1 = B1Map(
        grid=grid,
        frequency_Hz=frequency_Hz,
        magnitude=np.abs(b1plus) if "magnitude" in kit.present else None,
        phase=np.angle(shown) if "phase" in kit.present else None,
        phase_kind=kit.phase_kind,
        mask=np.ones(shape, bool),
        labels=np.ones(shape, np.int32),
        reference=1.0 + axes[0] if "reference" in kit.present else None,
        source=str(kit.file),
    )
    return relative_noise(b1, 1 / SNR) if kit.noise_known else b1
