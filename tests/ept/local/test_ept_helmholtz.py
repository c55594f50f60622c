"""Helmholtz EPT. Oracles: closed-form cylinder, recorded EPTlib output, the data's own Helmholtz equation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ept_cases import Case, cylinder, median_error

from emdose.ept import AutomaticHelmholtz, B1Map, Flag, Helmholtz
from emdose.errors import InputError
from emdose.io.b1.read import read_b1
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder, standing_b1plus

DATA = Path(__file__).resolve().parents[2] / "data" / "eptlib_layered.h5"
SHAPES = {0: "cross", 1: "ellipsoid", 2: "cuboid"}
PLAIN = [
    "complex_cross_r1",
    "complex_cross_r2",
    "complex_cross_r3",
    "complex_cuboid_r1",
    "complex_cuboid_r2",
    "complex_cuboid_r3",
    "complex_ellipsoid_r1",
    "complex_ellipsoid_r2",
    "complex_ellipsoid_r3",
    "complex_ellipsoid_r3_degree4",
    "phase_cuboid_r2",
]


@pytest.fixture(scope="module")
def recorded() -> B1Map:
    f = f"{DATA}:/input/"
    return read_b1(
        f"{f}tx_sens",
        f"{f}trx_phase",
        mask=f"{f}mask",
        reference=f"{f}ref",
        frequency_Hz=128e6,
        spacing_m=3e-3,
        order="zyx",
    )


def eptlib(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with h5py.File(DATA) as file:
        group = file[f"eptlib/helmholtz_{name}"]
        maps = {k: group[k][()].T for k in ("sigma", "epsr") if k in group}
        if "variance" in group:
            maps["variance"] = group["variance/electric-conductivity"][()].T
        return maps, json.loads(group.attrs["parameters"])["savitzky-golay"]


def test_closed_form_is_what_eptlib_was_given(recorded: B1Map) -> None:
    """Oracle: the recorded input, written by an independent implementation (radii 0.33, 0.66, 1 of 59.4 mm)."""
    solution = LayeredCylinder([0.33 * 0.0594, 0.66 * 0.0594, 0.0594], [52, 73, 65], [0.34, 0.6, 1.0], 128e6)
    x, y, _ = recorded.grid.centre_points()
    plus, minus = solution.transmit_and_receive(x[..., 0], y[..., 0])
    mask = recorded.mask
    assert mask is not None
    assert recorded.magnitude is not None
    assert recorded.phase is not None
    magnitude = np.abs(plus / plus[21, 21])[..., None] * np.ones(recorded.grid.shape)
    turn = (plus * minus)[..., None] * np.exp(-1j * recorded.phase)
    np.testing.assert_allclose(magnitude[mask], recorded.magnitude[mask], atol=1e-9)
    assert np.ptp(np.angle(turn[mask] / turn[21, 21, 9])) < 1e-8


@pytest.mark.parametrize("name", PLAIN)
def test_plain_helmholtz_equals_eptlib(name: str, recorded: B1Map) -> None:
    """Oracle: recorded EPTlib 0.4.4 output; wherever both have a value (EPTlib also fills windows that leave the image
    with zeros, where emdose gives none)."""
    maps, settings = eptlib(name)
    kernel: tuple[Any, ...] = (SHAPES[settings["shape"]], settings["size"], settings["degree"])
    method = Helmholtz(
        *kernel, method=name.split("_")[0], support="window", centre="voxel", uncertainty="variance" in maps
    )
    found = method.reconstruct(recorded, "cpu")
    r = settings["size"][0]
    assert np.count_nonzero(found.valid) > 0
    # Every voxel that EPTlib computes from a window inside the image is there.
    assert np.array_equal(found.valid[r:-r, r:-r, r:-r], np.isfinite(maps["sigma"])[r:-r, r:-r, r:-r])
    pairs = [(found.conductivity, maps["sigma"])]
    if "epsr" in maps:
        pairs.append((found.permittivity, maps["epsr"]))
    if "variance" in maps:
        assert found.u_conductivity is not None
        pairs.append((found.u_conductivity**2, maps["variance"]))
    for ours, theirs in pairs:
        assert ours is not None
        np.testing.assert_allclose(ours[found.valid], theirs[found.valid], rtol=1e-6)


def test_anatomical_weights_are_those_of_eptlib(recorded: B1Map) -> None:
    """Oracle: recorded EPTlib output; the denominators differ (fitted value here, centre voxel there), by < 0.1 %."""
    maps, settings = eptlib("complex_anatomical_cuboid_r2")
    found = Helmholtz("cuboid", settings["size"], contrast=0.05, uncertainty=False).reconstruct(recorded, "cpu")
    both = found.valid & np.isfinite(maps["sigma"])
    both[:2] = both[-2:] = both[:, :2] = both[:, -2:] = both[:, :, :2] = both[:, :, -2:] = False
    assert both.sum() > 5000
    np.testing.assert_allclose(found.conductivity[both], maps["sigma"][both], rtol=1e-3)
    np.testing.assert_allclose(found.permittivity[both], maps["epsr"][both], rtol=1e-3)


@pytest.mark.parametrize("shape", [(41, 38, 15), (40, 40, 14)])
@pytest.mark.parametrize("spacing_m", [(2e-3, 2e-3, 2e-3), (2e-3, 1.6e-3, 2.4e-3)])
@pytest.mark.parametrize("support", ["tissue", "window"])
def test_homogeneous_interior(shape: tuple[int, int, int], spacing_m: tuple[float, float, float], support: str) -> None:
    """Oracle: a standing wave in a homogeneous medium; < 0.5 % inside, odd and even sizes, anisotropic voxels."""
    grid = Grid(shape, spacing_m)
    b = standing_b1plus(*grid.centre_points(), 60.0, 0.6, 128e6, 8.0)
    b = b / np.abs(b).max()
    b1 = B1Map(grid, 128e6, np.abs(b), np.angle(b), phase_kind="transmit")
    for method in ("complex", "split"):
        found = Helmholtz(radius=2, method=method, support=support, uncertainty=False).reconstruct(b1, "cpu")
        inside = found.valid & ((found.flags & np.uint8(Flag.INTERFACE)) == 0)
        assert inside.sum() == np.prod([n - 4 for n in shape])
        assert found.conductivity is not None
        assert found.permittivity is not None
        assert np.median(np.abs(found.conductivity[inside] / 0.6 - 1)) < 0.005
        assert np.median(np.abs(found.permittivity[inside] / 60 - 1)) < 0.005


def test_layered_cylinder_whole_mask_noiseless() -> None:
    """Oracle: closed form; the target is a median error below 1 % over the mask, interfaces and rim included."""
    case = cylinder((100, 100, 7), radii_m=(0.03, 0.06, 0.09))
    found = Helmholtz(radius=3, uncertainty=False).reconstruct(case.b1, "cpu")
    assert found.valid[case.mask].all()
    assert median_error(found.conductivity, case.conductivity, case.mask) < 0.01  # type: ignore[arg-type]
    assert median_error(found.permittivity, case.permittivity, case.mask) < 0.01  # type: ignore[arg-type]
    # Without labels the same fits reach over the interfaces and fail there.
    plain = Helmholtz(radius=3, support="window", uncertainty=False).reconstruct(case.b1, "cpu")
    assert np.count_nonzero(plain.valid) < np.count_nonzero(found.valid)
    beside = plain.valid & ((plain.flags & np.uint8(Flag.INTERFACE)) != 0)
    assert median_error(plain.conductivity, case.conductivity, beside) > 0.05  # type: ignore[arg-type]


def test_layered_cylinder_with_noise() -> None:
    """Oracle: closed form; the target is a median error of sigma below 3 % at SNR 100 with radius 5, whole mask."""
    case = cylinder((100, 100, 22), radii_m=(0.03, 0.06, 0.09))
    found = Helmholtz(radius=5, uncertainty=False).reconstruct(case.noisy(100, 7), "cpu")
    middle = case.mask.copy()
    middle[..., :5] = middle[..., -5:] = False  # the slab's cut ends are not part of the target's 100 slices
    assert median_error(found.conductivity, case.conductivity, middle) < 0.03  # type: ignore[arg-type]


def test_degree_four_falls_back_where_it_must() -> None:
    """Oracle: closed form; three layers of voxels cannot carry fourth powers of z, so degree 2 takes over, flagged."""
    case = cylinder((40, 40, 12), radii_m=(0.035,), permittivity=(60.0,), conductivity=(0.6,))
    labels = np.where(np.arange(12) < 3, 1, 2) * np.ones(case.mask.shape, int)
    found = Helmholtz(radius=2, degree=4).reconstruct(replace(case.b1, labels=labels), "cpu")
    thin = case.mask & (labels == 1)
    fallback = (found.flags & np.uint8(Flag.FALLBACK)) != 0
    assert fallback[thin].all()
    assert not fallback[case.mask & (labels == 2)][:, None].all()
    assert median_error(found.conductivity, case.conductivity, thin) < 0.05  # type: ignore[arg-type]
    core = case.mask & ~fallback
    assert median_error(found.conductivity, case.conductivity, core) < 1e-3  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def homogeneous() -> Case:
    return cylinder((48, 48, 11), radii_m=(0.04,), permittivity=(60.0,), conductivity=(0.6,))


def test_phase_and_magnitude_alone_state_their_bias(homogeneous: Case) -> None:
    """Oracle: closed form; the neglected term explains the error of the one-map methods to a tenth."""
    for method, name, truth in (("phase", "conductivity", 0.6), ("magnitude", "permittivity", 60.0)):
        found = Helmholtz(radius=2, method=method).reconstruct(homogeneous.b1, "cpu")
        error = getattr(found, name) - truth
        bias = getattr(found, f"bias_{name}")
        assert np.nanmax(np.abs(error)) > 0.1 * truth
        assert np.nanmedian(np.abs(error - bias)) < 0.1 * np.nanmedian(np.abs(error))
    only = replace(homogeneous.b1, magnitude=None, u_magnitude=None)
    alone = Helmholtz(radius=2, method="phase").reconstruct(only, "cpu")
    both = Helmholtz(radius=2, method="phase").reconstruct(homogeneous.b1, "cpu")
    assert alone.permittivity is None
    assert alone.bias_conductivity is None
    np.testing.assert_allclose(alone.conductivity[alone.valid], both.conductivity[alone.valid], rtol=1e-9)  # type: ignore[index]


def test_split_needs_no_neglect(homogeneous: Case) -> None:
    """Oracle: closed form."""
    found = Helmholtz(radius=2, method="split", uncertainty=False).reconstruct(homogeneous.b1, "cpu")
    assert median_error(found.conductivity, homogeneous.conductivity, homogeneous.mask) < 0.01  # type: ignore[arg-type]
    assert median_error(found.permittivity, homogeneous.permittivity, homogeneous.mask) < 0.01  # type: ignore[arg-type]


def test_invariances(homogeneous: Case) -> None:
    """Oracle: q is the same for any factor on B1+, any phase offset, any wrapping, and for mirrored data."""
    method = Helmholtz(radius=2, uncertainty=False)
    b1 = homogeneous.b1
    assert b1.magnitude is not None
    assert b1.phase is not None
    base = method.reconstruct(b1, "cpu").conductivity
    assert base is not None
    wrapped = np.angle(np.exp(1j * (b1.phase + 2.9)))
    changed = replace(b1, magnitude=1e-6 * b1.magnitude, phase=wrapped)
    assert changed.wrapped
    np.testing.assert_allclose(method.reconstruct(changed, "cpu").conductivity, base, rtol=1e-8)
    halved = replace(b1, phase=0.5 * b1.phase, phase_kind="transmit")
    np.testing.assert_allclose(method.reconstruct(halved, "cpu").conductivity, base, rtol=1e-8)
    mirrored = replace(
        b1,
        magnitude=b1.magnitude[::-1],
        phase=b1.phase[::-1],
        mask=b1.mask[::-1],  # type: ignore[index]
        labels=b1.labels[::-1],
    )  # type: ignore[index]
    np.testing.assert_allclose(method.reconstruct(mirrored, "cpu").conductivity, base[::-1], rtol=1e-7)
    turned = {n: np.transpose(getattr(b1, n), (2, 0, 1)).copy() for n in ("magnitude", "phase", "mask", "labels")}
    shape = turned["mask"].shape
    rotated = B1Map(Grid(shape, 2e-3), 128e6, **turned)
    single = replace(method, dtype="float32").reconstruct(b1, "cpu").conductivity
    assert single is not None
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, base, rtol=1e-6)
    again = method.reconstruct(rotated, "cpu").conductivity
    assert again is not None
    np.testing.assert_allclose(np.transpose(again, (1, 2, 0)), base, rtol=1e-7)


def test_automatic_kernel_beats_every_fixed_one(homogeneous: Case) -> None:
    """Oracle: closed form; the chosen kernels have the smallest stated uncertainty, and an error no larger than the
    median candidate's."""
    b1 = homogeneous.noisy(200, 3)
    kernels = [Helmholtz(radius=r) for r in (2, 3, 4)]
    found = AutomaticHelmholtz(kernels).reconstruct(b1, "cpu")
    each = [k.reconstruct(b1, "cpu") for k in kernels]
    assert found.choice is not None
    assert found.u_conductivity is not None
    total = np.stack([m.u_conductivity**2 + m.bias_conductivity**2 for m in each])  # type: ignore[operator]
    assert np.array_equal(found.choice[homogeneous.mask], np.argmin(total, axis=0)[homogeneous.mask])
    errors = [median_error(m.conductivity, homogeneous.conductivity, homogeneous.mask) for m in (found, *each)]  # type: ignore[arg-type]
    assert errors[0] <= sorted(errors[1:])[1]
    mean = found.region_mean(homogeneous.mask)
    assert mean.u_conductivity is not None
    assert 0 < mean.u_conductivity < np.nanmin(found.u_conductivity)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"method": "both"}, "unknown method"),
        ({"support": "slice"}, "unknown support"),
        ({"support": "tissue", "centre": "voxel"}, "needs support 'window'"),
        ({"support": "window", "contrast": 0.05}, "need support 'tissue'"),
        ({"kernel": "sphere"}, "unknown kernel shape"),
        ({"radius": 0}, "bad kernel radius"),
        ({"dtype": "float16"}, "unknown dtype"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Helmholtz(**change)  # type: ignore[arg-type]


def test_data_that_do_not_suit_the_method(homogeneous: Case) -> None:
    b1 = homogeneous.b1
    for method, changed, text in (
        (Helmholtz(radius=6), b1, "kernel larger than the image"),
        (Helmholtz(), replace(b1, phase=None), "needs a phase"),
        (Helmholtz(method="split"), replace(b1, magnitude=None), "needs a magnitude"),
        (Helmholtz(contrast=0.05), replace(b1, reference=None), "reference image"),
        (Helmholtz("cross", 2), b1, "does not determine"),
        (Helmholtz(), replace(b1, magnitude=np.stack([b1.magnitude] * 2), phase=np.stack([b1.phase] * 2)), "channels"),  # type: ignore[list-item]
    ):
        with pytest.raises(InputError, match=text) as caught:
            method.reconstruct(changed, "cpu")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [Helmholtz(radius=2), Helmholtz("ellipsoid", 3, support="window")])
def test_without_a_compiler(settings: Helmholtz, homogeneous: Case) -> None:
    """Oracle: the compiled kernels; NumPy runs where there is no compiler."""
    from emdose.compute.backend import Backend, ReferenceKernels

    b1 = homogeneous.noisy(100, 5)
    compiled = settings.reconstruct(b1, "cpu").maps()
    references = settings.reconstruct(b1, Backend("cpu", np, ReferenceKernels())).maps()
    for name, values in compiled.items():
        np.testing.assert_allclose(references[name], values, rtol=1e-6, atol=1e-8 * np.nanmax(np.abs(values)))
