"""What is cut into voxels says what memory that takes before it takes it, within a factor of 1.5."""

from __future__ import annotations

import math
import tracemalloc

import pytest

from emdose.compute import machine
from emdose.errors import ResourceError
from emdose.models import bodies
from emdose.models.implants import shapes, voxels

LAYERS = ["white_matter", "skull_cortical", "skin"]
HEAD = bodies.layered_head(6e-3)
MAKERS = {
    "ball": lambda: bodies.sphere(0.05, 1e-3),
    "ball, points counted": lambda: bodies.sphere(0.05, 1e-3, samples=2),
    "layers, points counted": lambda: bodies.layered_sphere([0.03, 0.04, 0.05], LAYERS, 1e-3, samples=2),
    "cylinder": lambda: bodies.cylinder(0.05, 0.1, 1e-3),
    "box": lambda: bodies.gel_box(1e-3, (0.1, 0.1, 0.1)),
    "head": lambda: bodies.layered_head(2.5e-3),
    "resampled, finer": lambda: HEAD.resample(2.5e-3),
    "turned": lambda: bodies.layered_head(5e-3).rotate(20.0, "z", samples=2),
    "ring": lambda: voxels.voxelise(shapes.ring(0.02, 0.004), 4e-4),
    "metal ball": lambda: voxels.voxelise(shapes.sphere(0.01), 2e-4),
}


@pytest.mark.parametrize("name", MAKERS)
def test_plan_is_what_it_takes(name, monkeypatch):
    # Oracle: the peak that tracemalloc sees, NumPy's arrays included.
    plans = []
    monkeypatch.setattr(machine, "require_memory", lambda need, *_: plans.append(need))
    tracemalloc.start()
    try:
        MAKERS[name]()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / 1.5 < max(plans) < 1.5 * peak, f"{max(plans) / peak:.2f} of the peak"


@pytest.mark.parametrize("name", MAKERS)
def test_what_does_not_fit_is_refused_before_it_is_made(name, monkeypatch):
    # Oracle: a machine with a megabyte to spare; no more is allocated, and the line tells a way out.
    monkeypatch.setattr(machine, "free_memory_bytes", lambda: 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(ResourceError, match=r"needs .* GiB and 0\.0 GiB are free; a spacing of .* mm would fit"):
            MAKERS[name]()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20 + 2**22  # meshes and tables


def test_a_spacing_that_is_told_fits(monkeypatch):
    # Oracle: the spacing in the text, tried.
    monkeypatch.setattr(machine, "free_memory_bytes", lambda: 4 * 2**20)
    with pytest.raises(ResourceError) as error:
        bodies.sphere(0.05, 1e-3)
    told = float(str(error.value).split("a spacing of ")[1].split()[0]) * 1e-3
    assert bodies.sphere(0.05, 1.1 * told).grid.size < 4 * 2**20 / 11
    assert math.isclose(told, 1e-3 * (1.06e6 * 11 / (4 * 2**20)) ** (1 / 3), rel_tol=0.1)
