r"""A run beside its closed form: concentric spheres in a plane wave have the Mie series.

Any polarisation is a sum of two linear ones, so that with the frames :math:`R_1 = (e_1, e_2, d)` and
:math:`R_2 = (e_2, -e_1, d)` around the direction d

.. math:: E(x) = A \sum_i p_i R_i E_\mathrm{Mie}(R_i^T (x - c)), \qquad p_1 = p \cdot e_1,\ p_2 = p \cdot e_2
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.pages import decisive
from emdose.report.wording import MINUS, number, quantity
from emdose.validation.closed_forms.waves.mie import Sphere

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.rf.result.result import RunResult

CORNER = 0.87
"""Half the diagonal of a voxel over its edge: how far from a sphere the centres of its voxels may stray."""
MOST_POINTS = 40_000
"""Voxels at which fields are compared; of more, every n-th."""


@dataclass(frozen=True, eq=False)
class Wave:
    """A plane wave with its amplitude in this run.

    Parameters
    ----------
    direction : (3,) ndarray
        Unit vector of travel.
    polarisation : (3,) complex ndarray
        Of E.
    amplitude_V_m : float
        Peak value, scaled as the run is [V/m].
    """

    direction: np.ndarray
    polarisation: np.ndarray
    amplitude_V_m: float

    def fields(self, sphere: Sphere, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E [V/m] and B [T] by the series at points (n, 3) relative to the centre [m], up to a common phase."""
        d = self.direction
        e1 = np.cross(np.eye(3)[int(np.argmin(np.abs(d)))], d)
        e1 /= np.linalg.norm(e1)
        e2 = np.cross(d, e1)
        E, B = np.zeros((len(points_m), 3), complex), np.zeros((len(points_m), 3), complex)
        for frame, part in ((np.stack([e1, e2, d], 1), e1), (np.stack([e2, -e1, d], 1), e2)):
            weight = self.amplitude_V_m * complex(self.polarisation @ part)
            if abs(weight) > 1e-12 * self.amplitude_V_m:
                found = sphere.fields(points_m @ frame)
                E, B = (total + weight * own @ frame.T for total, own in zip((E, B), found, strict=True))
        return E, B


def beside(result: RunResult) -> dict[str, Any] | None:
    """Numbers and curves of a run beside the Mie series, with the error in words; None where none applies.

    Parameters
    ----------
    result : RunResult
        What a run left in its folder.
    """
    wave, found = wave_of(result), spheres(result.phantom)
    if wave is None or found is None:
        return None
    centre, radii, tissues = found
    radii = _asked(radii, result.summary, max(result.phantom.grid.spacing_m))
    permittivities = [t.complex_permittivity(result.frequency_Hz) for t in tissues]
    sphere = Sphere(radii, permittivities, result.frequency_Hz)
    power, scale = sphere.power(), wave.amplitude_V_m**2 * float(np.linalg.norm(wave.polarisation)) ** 2
    stated = result.summary.get("quantities", {})
    names = (("absorbed_power", "absorption", "Absorbed power"), ("scattered_power", "scattering", "Scattered power"))
    rows = [_row(title, stated[key], scale * power[name]) for key, name, title in names if key in stated]
    fields = _field_rows(result, wave, sphere, centre)
    layers = "a sphere" if len(radii) == 1 else f"{len(radii)} concentric spheres"
    size = ", ".join(f"{1e3 * r:.4g}" for r in radii)
    said = "; ".join(f"{r['name']} {r['error']}" for r in rows + fields)
    return {
        "rows": rows + fields,
        "words": f"A plane wave on {layers} (radius {size} mm) has a closed form, the Mie series. "
        f"This run is off by: {said}.",
        "short": rows[0]["error"] if rows else fields[0]["error"],
        "charts": _charts(result, wave, sphere, centre),
    }


def wave_of(result: RunResult) -> Wave | None:
    """The wave of a run; None where it has another source, or its scale is not known."""
    about = result.coil.parameters
    if not {"direction", "polarisation", "amplitude_V_m"} <= set(about):
        return None
    provenance = result.summary.get("provenance", {})
    scale, drive = provenance.get("scale") or {}, provenance.get("drive") or {}
    weights = drive.get("weights") or [[1.0, 0.0]]
    if not isinstance(scale.get("factor"), int | float) or len(weights) != 1:
        return None
    polarisation = np.array([complex(*p) for p in about["polarisation"]])
    amplitude = abs(about["amplitude_V_m"] * scale["factor"] * complex(*weights[0]))
    return Wave(np.asarray(about["direction"], float), polarisation, float(amplitude))


def spheres(phantom: Phantom) -> tuple[np.ndarray, list[float], list[Any]] | None:
    """Centre, outer radii [m] and tissues of concentric spheres, from the core outwards; None for any other body.

    The radii are those of spheres of the same volume. Every voxel has to lie in its shell, up to half its diagonal.
    """
    grid, labels = phantom.grid, phantom.labels
    inside = np.argwhere(labels != 0)
    if not len(inside):
        return None
    centre = (inside.mean(axis=0) + 0.5) * grid.spacing_m + np.array(grid.origin_m)
    distance = np.sqrt(sum((c - m) ** 2 for c, m in zip(grid.centre_points(), centre, strict=True)))
    names = sorted((float(distance[labels == n].mean()), int(n)) for n in np.unique(labels[labels != 0]))
    volume, radii, slack = 0.0, [], CORNER * max(grid.spacing_m)
    for _, n in names:
        volume += grid.voxel_volume_m3 * int((labels == n).sum())
        radii.append((3 * volume / (4 * math.pi)) ** (1 / 3))
        mine, inner = distance[labels == n], radii[-2] if len(radii) > 1 else 0.0
        if mine.max() > radii[-1] + slack or mine.min() < inner - slack:
            return None
    outside = distance[labels == 0]
    if outside.size and outside.min() < radii[-1] - slack:
        return None
    return centre, radii, [phantom.tissues[n] for _, n in names]


def _asked(radii: Sequence[float], summary: Mapping[str, Any], voxel_m: float) -> list[float]:
    """The radii that the scenario asked for where they are those of the voxels, which are equal in volume alone."""
    table = (summary.get("scenario") or {}).get("phantom") or {}
    given = table.get("radii_m") or ([table["radius_m"]] if table.get("radius_m") else [])
    fits = len(given) == len(radii) and all(abs(a - b) < 0.5 * voxel_m for a, b in zip(given, radii, strict=True))
    return [float(r) for r in given] if fits else list(radii)


def _row(name: str, entry: Mapping[str, Any], exact: float) -> dict[str, str]:
    value, unit, u = float(entry["value"]), str(entry["unit"]), decisive.expanded(entry)
    text, shown = quantity(value, unit, 4)
    return {
        "name": name,
        "computed": text,
        "exact": quantity(exact, unit, 4)[0],
        "unit": shown,
        "error": _percent(value / exact - 1),
        "stated": decisive.spread_text(entry) if u is not None else "not known",
    }


def _field_rows(result: RunResult, wave: Wave, sphere: Sphere, centre: np.ndarray) -> list[dict[str, str]]:
    """Root of the sum of squared errors over that of the series, of B1+ and E at the centres of voxels of the body."""
    index = np.argwhere(result.phantom.body)
    index = index[:: max(1, len(index) // MOST_POINTS)]
    E, B = wave.fields(sphere, _places(result, index) - centre)
    at = tuple(index.T)
    pairs = [("B1+", np.abs(result.b1plus[at]), 0.5 * np.abs(B[:, 0] + 1j * B[:, 1]))]
    if result.fields is not None:
        pairs.append(("|E|", _length(result.fields.E_centre()[0][:, *at].T), _length(E)))
    rows = []
    for name, computed, exact in pairs:
        error = math.sqrt(float(np.sum((computed - exact) ** 2) / np.sum(exact**2)))
        blank = {"computed": "", "exact": "", "unit": "", "stated": ""}
        rows.append({"name": f"{name} over the body (rms)", **blank, "error": f"{number(100 * error, 2)} %"})
    return rows


def _charts(result: RunResult, wave: Wave, sphere: Sphere, centre: np.ndarray) -> list[dict[str, Any]]:
    """E and B1+ on the row of voxels that is nearest the direction of the wave through the centre."""
    grid = result.phantom.grid
    axis = int(np.argmax(np.abs(wave.direction)))
    near = [int((c - o) / s) for c, o, s in zip(centre, grid.origin_m, grid.spacing_m, strict=True)]
    cut = tuple(slice(None) if a == axis else near[a] for a in range(3))
    index = np.array([[n if a == axis else near[a] for a in range(3)] for n in range(grid.shape[axis])])
    index = index[result.phantom.body[cut]]
    x = 1e3 * grid.centres(axis)[index[:, axis]]
    fine = np.repeat(_places(result, index[:1]), 161, axis=0)
    fine[:, axis] = np.linspace(x[0] / 1e3, x[-1] / 1e3, 161)
    E, B = wave.fields(sphere, fine - centre)
    drawn = [("B1+", "µT", 1e6 * np.abs(result.b1plus[tuple(index.T)]), 0.5e6 * np.abs(B[:, 0] + 1j * B[:, 1]))]
    if result.fields is not None:
        computed = _length(result.fields.E_centre()[0][:, *index.T].T)
        drawn.insert(0, ("|E|", "V/m", computed, _length(E)))
    along = f"{'xyz'[axis]} [mm], through the centre"
    found = []
    for name, unit, computed, exact in drawn:
        curves = [Curve("Mie series", 1e3 * fine[:, axis], exact, 0), Curve("this run", x, computed, 1, dots=True)]
        label, title = f"{name} beside the Mie series", f"{name} at the voxels (dots) and by the series (line)"
        found.append({"chart": line_chart(curves, along, f"{name} [{unit}]", height=250, label=label), "title": title})
    return found


def _places(result: RunResult, index: np.ndarray) -> np.ndarray:
    """Centres of voxels (n, 3) [m]."""
    grid = result.phantom.grid
    return np.asarray((index + 0.5) * np.array(grid.spacing_m) + np.array(grid.origin_m))


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt((np.abs(vectors) ** 2).sum(axis=-1)))


def _percent(share: float) -> str:
    return f"{100 * share:+.2g} %".replace("-", MINUS)
