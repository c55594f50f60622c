"""What a B1+ map says about its phase. Oracle: cylinders and spheres of known properties, read rightly and wrongly."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from tests.support.ept_cases import cylinder

import emdose as em
from emdose.ept.local.plausibility import Plausibility, plausibility
from emdose.ept.maps.b1map import B1Map
from emdose.errors import NotValidError
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder
from emdose.validity import judge

LAYERS = {
    "homogeneous": ((0.06,), (60.0,), (0.6,)),
    "three layers": ((0.02, 0.04, 0.06), (52.0, 73.0, 65.0), (0.34, 0.6, 1.0)),
    "small": ((0.03,), (60.0,), (0.6,)),
    "small, two layers": ((0.015, 0.03), (52.0, 73.0), (0.34, 0.6)),
}


def made(name: str, frequency_Hz: float, snr: float | None, labels: bool = False, seed: int = 1) -> B1Map:
    """A cylinder, its transceive phase wrapped, with noise."""
    radii, permittivity, conductivity = LAYERS[name]
    width = int(np.ceil(radii[-1] / 1e-3)) + 4
    grid = Grid((width, width, 10), 2e-3)
    x, y = (np.broadcast_to(c, grid.shape)[:, :, 0] for c in grid.centre_points()[:2])
    body = LayeredCylinder(radii, permittivity, conductivity, frequency_Hz)
    plus, minus = body.transmit_and_receive(x, y)
    layer = np.repeat(body.layer(x, y)[:, :, None], 10, axis=2)
    random = np.random.default_rng(seed)
    one, two = random.standard_normal((2, *grid.shape)) / (snr or np.inf)
    magnitude = np.abs(np.abs(plus / np.abs(plus).max())[:, :, None] * (1 + one))
    phase = np.angle(np.exp(1j * (np.angle(plus * minus)[:, :, None] + two)))
    return B1Map(grid, frequency_Hz, magnitude, phase, mask=layer < len(radii), labels=layer if labels else None)


def unwrapped(b1: B1Map) -> np.ndarray:
    return 2 * b1.transmit_phase


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("field_T", [0.5, 1.5, 3.0, 7.0])
@pytest.mark.parametrize("snr", [None, 500, 20])
def test_no_alarm_where_the_map_is_read_rightly(name: str, field_T: float, snr: float | None) -> None:
    for labels in (False, True) if len(LAYERS[name][0]) > 1 else (False,):
        found = Plausibility(made(name, 42.58e6 * field_T, snr, labels))
        assert (judge(found.measures()).reasons, found.cause) == ((), "")


@pytest.mark.parametrize(
    ("slip", "name", "words"),
    [
        (lambda b: replace(b, phase=-b.phase), "ept_sign", "phase_sign=-1"),
        (lambda b: replace(b, phase=b.transmit_phase), "ept_phase_scale", "phase_kind='transmit'"),
        (
            lambda b: replace(b, phase=unwrapped(b), phase_kind="transmit"),
            "ept_phase_scale",
            "phase_kind='transceive'",
        ),
        (lambda b: replace(b, phase=unwrapped(b) / np.pi), "ept_phase_scale", "phase_unit='pi'"),
        (lambda b: replace(b, phase=-unwrapped(b) / np.pi), "ept_sign", "phase_sign=-1, and it looks like units of pi"),
        (
            lambda b: replace(b, magnitude=unwrapped(b) - unwrapped(b)[b.mask].min() + 0.1, phase=b.magnitude),
            "ept_sign",
            "swapped",
        ),
    ],
    ids=["conjugate", "transmit", "transceive", "units of pi", "both", "swapped"],
)
def test_slips_are_found_and_named(slip, name: str, words: str) -> None:
    for body in ("homogeneous", "three layers"):
        wrong = slip(made(body, 127.74e6, 100))
        found = judge(em.ept.Helmholtz(radius=2, uncertainty=False).reconstruct(wrong).measures())
        assert name in {f.name for f in found.findings}
        assert all(
            words in f.sentence for f in found.findings if f.name.startswith("ept_") and f.name != "ept_coverage"
        )


def test_degrees_within_six_turns_of_a_radian() -> None:
    """Half a tesla: the phase spans less than 37 degrees, so that the range alone does not give it away."""
    b1 = made("homogeneous", 21.3e6, 200)
    wrong = replace(b1, phase=np.degrees(unwrapped(b1)))
    found = judge(plausibility(wrong).measures())
    assert found.state == "not valid"
    assert all("degrees: phase_unit='deg'" in reason for reason in found.reasons)
    again = B1Map(b1.grid, b1.frequency_Hz, b1.magnitude, np.degrees(unwrapped(b1)), mask=b1.mask, phase_unit="deg")
    assert judge(plausibility(again).measures()).state == "valid"


@pytest.mark.parametrize(
    "method",
    [
        em.ept.Helmholtz(radius=2),
        em.ept.Helmholtz(radius=2, method="phase"),
        em.ept.ConvectionReaction(slices=[4], smoothing=3.0),
        em.ept.ConvectionReaction(form="phase", slices=[4], smoothing=3.0),
        em.ept.ConvectionReaction(slices=[4], diffusion=1e-2, boundary=(0.6, 60.0)),
    ],
    ids=["helmholtz", "phase", "convection-reaction", "phase form", "diffusion"],
)
def test_every_method_says_so(method) -> None:
    """The conductivity of -0.9 S/m +- 0.002 that a conjugate phase gives, or whatever a method makes of it."""
    wrong = made("small", 127.74e6, 500)
    wrong = replace(wrong, phase=-wrong.phase)  # type: ignore[operator]
    found = method.reconstruct(wrong)
    judged = judge(found.measures())
    assert judged.state == "not valid"
    assert "ept_sign" in {f.name for f in judged.findings}
    if not found.valid.any():  # the phase form finds nothing that fits
        return
    with pytest.raises(NotValidError, match="phase_sign=-1"):
        found.region_mean(wrong.mask)
    assert found.region_mean(wrong.mask, accept=[f.name for f in judged.findings]).voxels > 0


def test_phase_alone_and_what_has_no_answer() -> None:
    b1 = made("three layers", 127.74e6, 100)
    assert judge(Plausibility(replace(b1, magnitude=None)).measures()).state == "valid"
    conjugate = Plausibility(replace(b1, magnitude=None, phase=-b1.phase))  # type: ignore[operator]
    assert [f.name for f in judge(conjugate.measures()).findings] == ["ept_sign"]
    assert "phase_sign=-1" in conjugate.cause
    assert Plausibility(replace(b1, phase=None)).measures() == []
    several = replace(b1, magnitude=np.stack([b1.magnitude] * 5), phase=np.stack([b1.phase] * 5))
    assert Plausibility(several).measures() == []
    small = cylinder((5, 5, 3), radii_m=(0.007,), permittivity=(60.0,), conductivity=(0.6,)).b1
    assert Plausibility(small).measures() == []


def test_the_answer_is_shared_survives_files_and_large_maps_are_sampled(tmp_path) -> None:
    b1 = made("homogeneous", 127.74e6, 100)
    assert plausibility(b1) is plausibility(b1)
    wrong = replace(b1, phase=-b1.phase)  # type: ignore[operator]
    found = em.ept.Helmholtz(radius=2).reconstruct(wrong)
    em.write_property_map(tmp_path / "map.h5", found)
    back = em.read_property_map(tmp_path / "map.h5")
    assert judge(back.measures()).reasons == judge(found.measures()).reasons
    assert judge(pickle.loads(pickle.dumps(found)).measures()).state == "not valid"


def test_noise_alone_is_not_unphysical() -> None:
    """Oracle: of values that scatter around matter 2.3 % lie beyond twice their uncertainty, however large that is."""
    noisy = em.ept.relative_noise(made("homogeneous", 63.87e6, 20), 1 / 20)
    found = em.ept.Helmholtz(radius=2).reconstruct(noisy)
    assert np.mean((found.flags & np.uint8(em.ept.Flag.UNPHYSICAL)) > 0) > 0.3
    assert np.count_nonzero(found.surely_unphysical) / np.count_nonzero(found.valid) < 0.06
    assert judge(found.measures()).state == "valid"
