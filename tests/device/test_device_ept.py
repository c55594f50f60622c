"""EPT on the device. Oracle: the same reconstruction on the CPU, to rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.compute import backend
from emdose.ept import filters
from emdose.ept.local.automatic import AutomaticHelmholtz
from emdose.ept.local.helmholtz import Helmholtz
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import PropertyMap
from emdose.ept.transport.convection_reaction import ConvectionReaction
from emdose.ept.transport.gradient import Gradient
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

SHAPE, H = (14, 15, 9), 4e-3


@pytest.fixture(scope="module")
def b1() -> B1Map:
    """Two layers with noise, a thin leaf with a label of its own, a hole in the mask."""
    rng = np.random.default_rng(4)
    x, y = np.meshgrid(*((np.arange(n) + 0.5 - n / 2) * H for n in SHAPE[:2]), indexing="ij")
    plus, minus = LayeredCylinder([0.012, 0.026], [52.0, 70.0], [0.35, 0.9], 128e6).transmit_and_receive(x, y)
    magnitude, phase = (
        np.repeat(a[:, :, None], SHAPE[2], axis=2)
        for a in (abs(plus) / abs(plus).max(), np.unwrap(np.angle(plus * minus)))
    )
    labels = np.repeat((np.hypot(x, y) < 0.012)[:, :, None], SHAPE[2], axis=2).astype(int)
    labels[3, :, :4] = 5
    mask = np.repeat((np.hypot(x, y) < 0.026)[:, :, None], SHAPE[2], axis=2)
    mask[9, 9, 4] = False
    u = 2e-4
    return B1Map(
        Grid(SHAPE, (H, H, H)),
        128e6,
        magnitude + u * rng.normal(size=SHAPE),
        phase + u * rng.normal(size=SHAPE),
        mask=mask,
        labels=labels,
        reference=100.0 + 20.0 * labels,
        u_magnitude=u,
        u_phase=u,
    )


def same(found: PropertyMap, expected: PropertyMap, tolerance: float = 1e-8) -> None:
    assert found.maps().keys() == expected.maps().keys()
    np.testing.assert_array_equal(found.flags, expected.flags)
    for name, value in expected.maps().items():
        one = getattr(found, name)
        assert type(one) is np.ndarray
        assert one.dtype == value.dtype
        scale = np.nanmax(np.abs(value.astype(float)))
        np.testing.assert_allclose(one, value, rtol=1e-9, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize(
    ("method", "known"),
    [("complex", True), ("complex", False), ("phase", False), ("magnitude", True), ("split", False)],
)
@pytest.mark.parametrize(
    "settings",
    [
        {"radius": 2},
        {"radius": 2, "support": "window"},
        {"radius": 2, "kernel": "ellipsoid"},
        {"radius": 2, "contrast": 0.1},
        {"radius": (2, 3, 2), "degree": 3},
        {"radius": 1, "kernel": "cross", "support": "window", "centre": "voxel"},
    ],
    ids=lambda s: "-".join(map(str, s.values())),
)
def test_helmholtz(b1: B1Map, cuda: backend.Backend, settings: dict, method: str, known: bool) -> None:
    given = b1 if known else replace(b1, u_magnitude=None, u_phase=None)
    solver = Helmholtz(method=method, **settings)
    found, expected = (solver.reconstruct(given, be) for be in (cuda, "cpu"))
    same(found, expected)
    region = expected.valid & (b1.labels == 0)
    if region.any():
        np.testing.assert_allclose(
            np.array(found.region_mean(region)[:8], float),
            np.array(expected.region_mean(region)[:8], float),
            rtol=1e-7,
            atol=1e-12,
        )


def test_helmholtz_without_uncertainty_or_labels(b1: B1Map, cuda: backend.Backend) -> None:
    plain = replace(b1, labels=None, magnitude=None, u_magnitude=None, u_phase=None)
    wrapped = replace(b1, phase=np.angle(np.exp(1j * (b1.phase + 2.5))))
    arrays = replace(b1, u_magnitude=np.full(SHAPE, 1e-4), u_phase=np.full(SHAPE, 3e-4))
    for one, solver in (
        (plain, Helmholtz(method="phase", radius=2, uncertainty=False, dtype="float32")),
        (wrapped, Helmholtz(radius=2)),
        (arrays, Helmholtz(radius=2)),
        (arrays, Helmholtz(radius=1, support="window")),
    ):
        same(*(solver.reconstruct(one, be) for be in (cuda, "cpu")), 1e-7)


def test_slabs(b1: B1Map, cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs of a few planes, as where the working arrays do not fit, give what one slab gives."""
    from emdose.ept.local import masked_fit

    whole = Helmholtz(radius=2).reconstruct(b1, cuda)
    monkeypatch.setattr(
        masked_fit, "slabs", lambda be, length, size, halo: [(i, min(i + 3, length)) for i in range(0, length, 3)]
    )
    same(Helmholtz(radius=2).reconstruct(b1, cuda), whole)


def test_automatic_and_filters(b1: B1Map, cuda: backend.Backend) -> None:
    solver = AutomaticHelmholtz([Helmholtz(radius=r) for r in (1, 2)])
    found, expected = (solver.reconstruct(b1, be) for be in (cuda, "cpu"))
    same(found, expected)
    for filtered in (filters.median, filters.weighted_mean):
        same(filtered(found), filtered(expected))


@pytest.mark.parametrize("form", ["complex", "phase"])
@pytest.mark.parametrize("known", [True, False])
def test_convection_reaction(b1: B1Map, cuda: backend.Backend, form: str, known: bool) -> None:
    given = b1 if known else replace(b1, u_magnitude=None, u_phase=None)
    plane = ConvectionReaction(form=form, slices=[4], radius=1, smoothing=1.0)
    same(*(plane.reconstruct(given, be) for be in (cuda, "cpu")), 1e-6)
    # On a GPU another preconditioner ends the conjugate gradients elsewhere within their tolerance.
    for boundary in (None, (0.9, 70.0)):
        volume = ConvectionReaction(form=form, volume=True, radius=1, smoothing=1.0, edge=0.0, boundary=boundary)
        found, expected = (volume.reconstruct(given, be) for be in (cuda, "cpu"))
        there = np.isfinite(expected.conductivity)
        assert np.array_equal(np.isfinite(found.conductivity), there)
        assert np.abs(found.conductivity - expected.conductivity)[there].max() < 0.02


def test_gradient(b1: B1Map, cuda: backend.Backend) -> None:
    rng = np.random.default_rng(5)
    points = b1.grid.centre_points()
    channels = [1 + 8 * sum(c * p for c, p in zip(tilt, points, strict=True)) for tilt in rng.normal(size=(6, 3))]
    many = B1Map(
        b1.grid,
        128e6,
        np.stack([b1.magnitude * np.abs(c) for c in channels]),
        np.stack([b1.phase + c for c in channels]),
        mask=b1.mask,
    )
    same(*(Gradient(radius=1).reconstruct(many, be) for be in (cuda, "cpu")), 1e-6)
