"""A made-up result with the shape of `io.implant_results.ImplantResult`, for tests of the report (no physics in it)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emdose.models.bodies import gel_box
from emdose.models.grids.grid import Grid
from emdose.models.implants import shapes
from emdose.models.implants.implant import Implant
from emdose.models.implants.voxels import voxelise
from emdose.scenarios.kinds.implant_gradient.result.result import ExposureMaps, ImplantResult
from emdose.scenarios.kinds.implant_gradient.worst.bore import BoreMap, bore_places
from emdose.solvers.results.power_tensor import UNIFORM, PowerTensor

FREQUENCIES = (270.0, 1e3, 3e3, 1e4)
ENTRY = {"unit": "W", "uncertainty": None, "note": ""}


def tensor_of(implant: Implant, spacing_m: float) -> tuple[PowerTensor, np.ndarray]:
    """A power tensor whose loss grows towards one end of the implant, and the fraction of its voxels."""
    voxels = voxelise(implant, spacing_m, check_walls=False)
    cells = np.argwhere(voxels.part > 0).astype(np.int32)
    fraction = voxels.fraction[tuple(cells.T)]
    places = (cells + 0.5) * np.array(voxels.grid.spacing_m)
    shape = fraction * (0.2 + places[:, 2] / np.ptp(places[:, 2])) ** 4
    axes = np.array([[3.0, 0.4, 0.1], [0.4, 2.0, 0.0], [0.1, 0.0, 0.7]])
    fall = [1 / (1 + (f / 4e3) ** 1.5) for f in FREQUENCIES]
    unit = 1e-4 / (shape.sum() * voxels.grid.voxel_volume_m3)
    loss = np.stack([s * unit * axes[:, :, None] * shape for s in fall]).astype(np.complex64)
    matrix = np.stack([1e-4 * s * axes for s in fall])
    return PowerTensor(
        FREQUENCIES,
        UNIFORM,
        matrix,
        voxels.grid,
        cells,
        loss,
        engine=("voxel",) * 3 + ("thin-skin",),
        residual=np.array([1e-6, 2e-6, 4e-6, 8e-6]),
        identity=np.array([1e-6, 3e-6, 5e-6, 9e-3]),
        skin_depth_over_step=np.array([14.0, 7.4, 4.3, 2.3]),
        metals=implant.metals,
    ), fraction


def pose(angle_deg: float) -> dict[str, Any]:
    """An orientation of the implant."""
    return {
        "angle_deg": angle_deg,
        "rotation": np.eye(3).tolist(),
        "rotate_deg": [10.0, -20.0, angle_deg],
        "position_m": [0.0, 0.0, 1e-3],
    }


def bore() -> BoreMap:
    """A map that grows outwards."""
    places = bore_places(0.2, 0.4, 0.1)
    power = 0.5 + 10 * (places**2).sum(axis=1)
    return BoreMap(places, power, 0.8 * power, 0.1)


def exposure(name: str, *, harmonics: int = 1, orientations: bool = True) -> dict[str, Any]:
    """One entry of ``summary["implant"]["exposures"]``; without orientations one by gradient coils."""
    f = 270.0 * np.arange(1, harmonics + 1)
    t = np.linspace(0, 2 / 270, 200)
    about: dict[str, Any] = {
        "title": f"{name}: 42 T/s rms",
        "type": "sinusoid" if harmonics == 1 else "epi",
        "duration_s": 1800.0,
        "dbdt_rms_T_s": 42.0,
        "frequency_Hz": 270.0 if harmonics == 1 else None,
        "direction": [0.95, 0.3, 0.05] if harmonics == 1 else None,
        "power_W": 0.52,
        "power_matrix_W": [[0.5, 0.05, 0.0], [0.05, 0.3, 0.0], [0.0, 0.0, 0.1]],
        "worst_W": 0.53,
        "worst_direction": [0.97, 0.24, 0.0],
        "best_W": 0.1,
        "best_direction": [0.0, 0.0, 1.0],
        "harmonics": {"count": harmonics, "max_frequency_Hz": float(f[-1]), "dropped": 0.004},
        "missing_W": 0.002,
        "rise_K": 1.81,
        "tissue_rise_K": 1.7,
        "tissue_spot_m": [0.0, 0.02, 0.05],
        "worst_tissue_rise_K": 1.82,
        "worst_tissue_direction": [0.8, 0.6, 0.0],
        "worst_time_to_K": {"1": 300.0, "2": None},
        "hot_spot_m": [0.0, 0.01, 0.05],
        "hot_spot_in": "CoCrMo",
        "cem43_min": 0.31,
        "cem43_excess_min": 0.30,
        "cem43_baseline_min": 0.01,
        "baseline_degC": 37.0,
        "time_to_K": {"1": 312.0, "2": None},
        "waveform": {
            "times_s": t,
            "caption": "Two periods of dB/dt.",
            "dbdt_T_s": np.sin(2 * np.pi * 270 * t)[:, None] * [59, 10, 0],
        },
        "spectrum": {
            "frequencies_Hz": f,
            "power_W": 0.5 / np.arange(1, harmonics + 1) ** 2,
            "caption": "Power of every harmonic.",
        },
        "time_course": None,
    }
    if not orientations:
        for key in ("power_matrix_W", "worst_direction", "best_direction", "worst_tissue_direction"):
            about.pop(key)
        about |= {
            "worst_pose": pose(25.0),
            "best_pose": pose(170.0),
            "worst_rise_K": 2.5,
            "worst_rise_pose": pose(40.0),
            "worst_rise_m": [0.0, 0.01, 0.04],
            "worst_rise_in": "CoCrMo",
            "best_rise_K": 0.2,
            "best_rise_pose": pose(90.0),
            "worst_tissue_pose": pose(41.0),
            "power_quantiles_W": np.linspace(0.1, 0.53, 51),
            "rise_quantiles_K": np.linspace(0.2, 2.5, 51),
            "orientations_solved": 14,
            "worst_search_error": 1e-3,
            "field_left_out": 0.013,
            "bore": {
                "radius_m": 0.2,
                "length_m": 0.4,
                "step_m": 0.1,
                "places": 65,
                "worst_place_m": [0.2, 0.0, 0.2],
                "worst_position_m": [0.2, 0.0, 0.2],
                "worst_W": 1.3,
                "largest_in_this_pose_W": 1.04,
            },
        }
    if orientations:
        n = np.linspace(-1, 1, 9)
        about |= {
            "worst_rise_K": 1.93,
            "worst_rise_direction": [0.9, 0.4, 0.1],
            "worst_rise_m": [0.0, 0.01, 0.04],
            "worst_rise_in": "CoCrMo",
            "best_rise_K": 0.2,
            "best_rise_direction": [0.0, 0.1, 0.99],
            "rise_disc_K": (1 + 0.9 * n[:, None] ** 2 + 0.1 * n).tolist(),
        }
    return about


def made_up_implant(
    implant: Implant | None = None, folder: Path | None = None, spacing_m: float = 2e-3
) -> ImplantResult:
    implant = implant or shapes.cylinder(8e-3, 60e-3)
    tensor, fraction = tensor_of(implant, spacing_m)
    low, high = (np.array(v) for v in implant.bounds_m)
    phantom = gel_box(5e-3, tuple(5e-3 * np.ceil((high - low + 0.08) / 5e-3))).translate(tuple(0.5 * (low + high)))
    grid = Grid(tuple(np.array(phantom.grid.shape) * 5 // 4), 4e-3, phantom.grid.origin_m)
    middle = 0.5 * (low + high) + [0, 0, 0.2 * (high - low)[2]]
    x, y, z = (c - m for c, m in zip(grid.centre_points(), middle, strict=True))
    rise = 1.8 * np.exp(-(x**2 + y**2 + 0.4 * z**2) / 0.02**2)
    t = np.linspace(30, 1800, 60)
    curve = 1.8 * (1 - np.exp(-t / 400))
    summary = {
        "quantities": {"power: ISO": ENTRY | {"value": 0.52}, "peak rise: ISO": ENTRY | {"value": 1.81, "unit": "K"}},
        "checks": [],
        "check_inputs": {},
        "power_balance": {},
        "timing_s": {"eddy currents": 11.0, "heat": 3.0},
        "convergence": {
            "converged": True,
            "tolerance": 1e-5,
            "meaning": "",
            "ports": [
                {"name": f"{f:g} Hz", "iterations": 9, "residual": 1e-6, "history": list(10.0 ** -np.arange(7.0))}
                for f in FREQUENCIES
            ],
        },
        "provenance": {"emdose": "0.1.0", "device": {"name": "cpu"}},
        "scenario": {"scenario": {"kind": "implant-gradient"}, "implant": {"type": "hip"}},
        "warnings": ["The phantom is smaller than a patient."],
        "implant": {
            "body": {
                "name": implant.name,
                "volume_m3": implant.volume_m3,
                "mass_kg": implant.mass_kg,
                "area_m2": implant.area_m2,
                "size_m": implant.size_m,
                "bounds_m": implant.bounds_m,
                "report": {},
                "sha256": "0" * 64,
                "parts": [
                    {
                        "name": p.name,
                        "metal": p.metal.name,
                        "volume_m3": p.volume_m3,
                        "mass_kg": p.mass_kg,
                        "area_m2": p.area_m2,
                        "triangles": len(p.triangles),
                        "properties": {
                            k: getattr(p.metal, k)
                            for k in (
                                "conductivity_S_m",
                                "density_kg_m3",
                                "heat_capacity_J_kg_K",
                                "thermal_conductivity_W_m_K",
                            )
                        },
                    }
                    for p in implant.parts
                ],
            },
            "frequencies": [
                {
                    "frequency_Hz": f,
                    "engine": tensor.engine[n],
                    "worst_W": 3.1e-4,
                    "worst_direction": [1, 0, 0],
                    "best_W": 6e-5,
                    "best_direction": [0, 0, 1],
                    "axes_W": np.diag(tensor.matrix[n].real),
                    "residual": tensor.residual[n],
                    "identity": tensor.identity[n],
                    "skin_depth_over_step": tensor.skin_depth_over_step[n],
                }
                for n, f in enumerate(FREQUENCIES)
            ],
            "exposures": {"ISO": exposure("ISO"), "EPI": exposure("EPI", harmonics=30, orientations=False)},
            "conditions": [
                {
                    "exposure": "ISO",
                    "standard": "ISO/TS 10974:2018",
                    "clause": "9",
                    "verified": False,
                    "source": "a paper",
                    "quantity": q,
                    "value": v,
                    "level": level,
                    "unit": u,
                }
                for q, v, level, u in (
                    ("dB/dt, rms", 42.0, 42.0, "T/s"),
                    ("magnetic flux density, peak", 0.035, 0.035, "T"),
                    ("duration", 1800.0, 1800.0, "s"),
                    ("power in the metal", 0.52, None, "W"),
                )
            ],
            "comparison": [
                {
                    "exposure": "ISO",
                    "published_K": 10.0,
                    "here_K": 1.8,
                    "worst_K": 1.9,
                    "conditions": "hip in gel, 1 kHz",
                    "source": "a paper",
                }
            ],
            "gradients": {"name": "ideal x gradient", "position_m": [0.1, 0.0, 0.2]},
            "rf": None,
        },
    }
    maps = ExposureMaps(tensor.loss_density(270.0, [40, 10, 0]), rise, t, curve, {"worst orientation": 1.05 * curve})
    epi = ExposureMaps(tensor.loss_density(1000.0, [0, 10, 9]), 0.4 * rise, t, 0.4 * curve, bore=bore())
    return ImplantResult(
        folder or Path("nowhere"), summary, implant, phantom, tensor, fraction, grid, {"ISO": maps, "EPI": epi}
    )
