"""B1+ maps from names as in BIDS, and the scales of phases. Oracle: the arrays that were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from emdose.errors import InputError
from emdose.io.b1.phase_scale import phase_scale
from emdose.io.b1.read import read_b1

SHAPE = (16, 14, 9)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
TIMES_s = (2.5e-3, 5.1e-3, 7.7e-3)


def save(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE, **sidecar: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(np.asarray(values), affine).to_filename(f"{path}.nii.gz")
    if sidecar:
        path.with_name(f"{path.name}.json").write_text(json.dumps(sidecar))


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    inside = x**2 + y**2 < 0.8
    phase = np.where(inside, x**2 - 0.5 * y * z + 0.3, rng.uniform(-np.pi, np.pi, SHAPE))
    return {"b1": np.where(inside, 100 + 20 * x, 0.0), "phase": phase, "inside": inside, "off": 50 * y}


@pytest.fixture
def subject(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """A B1+ map, and a gradient echo of three echoes whose phases are in steps of a scanner."""
    save(tmp_path / "sub-01/fmap/sub-01_acq-dream_TB1map", arrays["b1"].astype(np.float32), Units="percent")
    for n, t in enumerate(TIMES_s, 1):
        phase = np.angle(np.exp(1j * (arrays["phase"] + 2 * np.pi * arrays["off"] * t)))
        name = tmp_path / f"sub-01/anat/sub-01_echo-{n}_part-%s_MEGRE"
        told = {"EchoTime": t, "ImagingFrequency": 127.74}
        steps = np.rint(phase * 4096 / np.pi).clip(-4096, 4094).astype(np.int16)
        save(Path(str(name) % "phase"), steps, Units="arbitrary", **told)
        magnitude = np.where(arrays["inside"], 800 * np.exp(-t / 0.03), 4.0)
        save(Path(str(name) % "mag"), magnitude.astype(np.float32), **told)
    return tmp_path / "sub-01"


def test_a_subject_is_a_map(subject: Path, arrays: dict[str, np.ndarray]) -> None:
    """The folder of a subject holds abs(B1+), the phase at echo time zero, the frequency, the mask."""
    b1 = read_b1(subject, noise=0.01)
    assert b1.frequency_Hz == pytest.approx(127.74e6)
    inside = arrays["inside"]
    np.testing.assert_array_equal(b1.mask, inside)
    np.testing.assert_allclose(b1.magnitude[inside], arrays["b1"][inside], rtol=1e-6)
    turn = np.exp(1j * (b1.phase - arrays["phase"]))[inside]
    np.testing.assert_allclose(np.angle(turn / turn[0]), 0, atol=2e-3)
    assert np.shape(b1.u_phase) == SHAPE
    np.testing.assert_allclose(b1.u_magnitude, 0.01 * b1.magnitude)
    notes = " / ".join(b1.notes)
    for words in ("sub-01_acq-dream_TB1map.nii.gz: abs(B1+) (percent", "8192 steps a turn", "3 echoes", "sub-01_MEGRE"):
        assert words in notes


def test_beginnings_of_names_pick_what_is_meant(subject: Path, arrays: dict[str, np.ndarray]) -> None:
    """Two runs are two acquisitions: the beginning of the names says which."""
    rad = {"Units": "rad", "MagneticFieldStrength": 3.0}
    for run in (1, 2):
        phase = np.asarray(run * 0.5 * arrays["phase"], np.float32)
        save(subject / f"anat/sub-01_run-{run}_part-phase_bold", phase, **rad)
    with pytest.raises(
        InputError, match=r"several images with a phase.*sub-01_MEGRE, sub-01_run-1_bold, sub-01_run-2_bold"
    ):
        read_b1(subject)
    b1 = read_b1(subject / "fmap", subject / "anat" / "sub-01_run-2")
    np.testing.assert_allclose(b1.phase, arrays["phase"], atol=1e-6)
    assert b1.frequency_Hz == pytest.approx(127.73e6, rel=1e-4)
    assert "nominal field of 3 T" in " ".join(b1.notes)


def test_a_coarse_b1_map_is_resampled_when_asked(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Oracle: the function that both were sampled from; cubic splines of 3 to 5 mm follow it within 2e-3."""

    def field(affine: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        x, y, z = (affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]).reshape(3, *shape)
        inside = np.hypot(x - 15, y - 13) < 11.5
        return 100 + 20 * np.cos(x / 15) * np.sin(y / 12) + 10 * np.cos(z / 20), inside

    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    coarse = turn @ np.diag([3.0, 2.5, 5.0, 1.0])
    coarse[:3, 3] = [-8.0, -12.0, -6.0]
    values, inside = field(coarse, (20, 24, 9))
    save(tmp_path / "s_TB1map", np.where(inside, values, 0.0), coarse)
    save(tmp_path / "s_part-phase_T1w", arrays["phase"], Units="rad", ImagingFrequency=64.0)
    with pytest.raises(InputError, match=r"lie on different voxels.*resample=True"):
        read_b1(tmp_path)
    b1 = read_b1(tmp_path, resample=True)
    truth, object_ = field(AFFINE, SHAPE)
    assert b1.magnitude is not None
    found = b1.magnitude > 0
    assert np.mean(found == object_) > 0.93  # to a voxel of the coarse map
    within = found & object_
    deep = binary_erosion(within, iterations=2)
    np.testing.assert_allclose(b1.magnitude[deep], truth[deep], rtol=2e-3)
    np.testing.assert_allclose(b1.magnitude[within], truth[within], rtol=1.5e-2)  # continued at the rim
    assert "resampled from voxels of 3 x 2.5 x 5 mm" in " ".join(b1.notes)
    far = coarse.copy()
    far[0, 3] += 500
    save(tmp_path / "s_TB1map", np.where(inside, values, 0.0), far)
    with pytest.raises(InputError, match="do not meet"):
        read_b1(tmp_path, resample=True)
    with pytest.raises(InputError, match="files must say where their voxels lie"):
        read_b1(values, arrays["phase"], frequency_Hz=64e6, spacing_m=2e-3, resample=True)


def test_real_and_imaginary_parts_and_field_maps(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    whole = (1 + arrays["inside"]) * np.exp(1j * arrays["phase"])
    for part, values in (("real", whole.real), ("imag", whole.imag)):
        save(tmp_path / f"a/s_part-{part}_MPRAGE", values.astype(np.float32), ImagingFrequency=64.0)
    one = read_b1(tmp_path / "a")
    np.testing.assert_allclose(one.phase, arrays["phase"], atol=1e-6)
    for n, t in enumerate((4.9e-3, 7.4e-3), 1):
        phase = np.angle(np.exp(1j * (arrays["phase"] + 2 * np.pi * arrays["off"] * t)))
        save(tmp_path / f"b/s_phase{n}", phase.astype(np.float32), EchoTime=t, ImagingFrequency=64.0)
        save(tmp_path / f"b/s_magnitude{n}", np.abs(whole).astype(np.float32), EchoTime=t)
    two = read_b1(tmp_path / "b", mask=arrays["inside"])
    turn = np.exp(1j * (two.phase - arrays["phase"]))[arrays["inside"]]
    np.testing.assert_allclose(np.angle(turn / turn[0]), 0, atol=1e-5)
    assert two.u_phase is None  # two echoes tell no noise


def test_complex_nifti_and_echoes_as_arrays(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Complex numbers in NIfTI, alone or as images of echoes: the same as the arrays."""
    inside, phase = arrays["inside"], arrays["phase"]
    whole = np.where(inside, arrays["b1"] * np.exp(1j * phase), 0)
    save(tmp_path / "b1", whole.astype(np.complex64))
    for given in (f"{tmp_path}/b1.nii.gz", {"complex": f"{tmp_path}/b1.nii.gz"}):
        more: dict[str, Any] = given if isinstance(given, dict) else {"magnitude": given}
        b1 = read_b1(**more, frequency_Hz=64e6, phase_kind="transmit")
        np.testing.assert_allclose(b1.phase[inside], phase[inside], atol=1e-5)
    echoes = [np.abs(whole) * np.exp(1j * (phase + 2 * np.pi * arrays["off"] * t)) for t in TIMES_s]
    told: dict[str, Any] = {"frequency_Hz": 64e6, "echo_times_s": TIMES_s, "mask": inside}
    save(tmp_path / "echoes", np.stack(echoes, axis=-1).astype(np.complex128))
    got = read_b1(image=tmp_path / "echoes.nii.gz", **told)
    again = read_b1(image=echoes, spacing_m=(2e-3, 2e-3, 3e-3), **told)
    listed = read_b1(
        phase=[np.angle(e) for e in echoes], image=[np.abs(e) for e in echoes], spacing_m=(2e-3, 2e-3, 3e-3), **told
    )
    channels = np.stack([np.stack([e, 2j * e]) for e in echoes])
    both = read_b1(image=channels, receivers="aligned", spacing_m=(2e-3, 2e-3, 3e-3), **told)
    for one in (got, again, listed, both):
        turn = np.exp(1j * (one.phase - phase))[inside]
        np.testing.assert_allclose(np.angle(turn / turn[0]), 0, atol=1e-6)
    assert "2 receive channels" in " ".join(both.notes)
    single = read_b1(image=channels[0], receivers="svd", spacing_m=2e-3, frequency_Hz=64e6, mask=inside, noise=0.01)
    assert np.median(single.u_phase[inside]) == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"EchoTime": 2.5}, "EchoTime.*a number in s"),
        ({"ImagingFrequency": 127.74e6}, "ImagingFrequency.*a number in MHz"),
        ({"EchoTime": None}, "echo without its time"),
        ({"Units": "ppm"}, "unit of the phase"),
        ("{", "not a readable sidecar"),
    ],
)
def test_sidecars_that_cannot_be_right(subject: Path, change: Any, words: str) -> None:
    path = subject / "anat/sub-01_echo-1_part-phase_MEGRE.json"
    text = change
    if isinstance(change, dict):
        told = json.loads(path.read_text()) | change
        text = json.dumps({k: v for k, v in told.items() if v is not None})
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_b1(subject)


def test_names_that_do_not_make_a_map(subject: Path, arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    (subject / "anat/sub-01_echo-2_part-mag_MEGRE.nii.gz").unlink()
    with pytest.raises(InputError, match=r"echoes are missing.*magnitude of echo 1, 3"):
        read_b1(subject)
    save(subject / "fmap/sub-01_acq-afi_TB1map", arrays["b1"])
    with pytest.raises(InputError, match=r"several B1\+ maps.*acq-afi.*acq-dream"):
        read_b1(subject)
    save(tmp_path / "c/s_part-real_T1w", arrays["phase"])
    with pytest.raises(InputError, match="a real part without the imaginary part"):
        read_b1(tmp_path / "c")
    save(tmp_path / "d/s_TB1map", arrays["b1"])
    save(tmp_path / "d/s_part-phase_T1w", arrays["phase"][:-1], Units="rad")
    with pytest.raises(InputError, match="lie on different voxels"):
        read_b1(tmp_path / "d")
    with pytest.raises(InputError, match="no such file"):
        read_b1(tmp_path / "d" / "t_TB1map.nii.gz")


@pytest.mark.parametrize(
    ("low", "high", "steps", "turn"),
    [
        (-np.pi, np.pi, 0, 2 * np.pi),
        (0, 2 * np.pi, 0, 2 * np.pi),
        (-180, 180, 0, 360),
        (0, 359, 1, 360),
        (0, 4095, 1, 4096),
        (-2048, 2047, 1, 4096),
        (-4096, 4094, 2, 8192),
        (-4096, 4095, 1, 8192),
        (-3142, 3141, 1, 2000 * np.pi),
        (0, 65535, 1, 65536),
        (-32768, 32767, 1, 65536),
    ],
)
def test_scales_are_told_by_the_range_they_fill(low: float, high: float, steps: int, turn: float) -> None:
    """Oracle: how each of these scales is defined: so many units a turn."""
    values = np.linspace(low, high, 20001)
    scale = phase_scale(np.rint(values / steps) * steps if steps else values)
    assert scale.radians == pytest.approx(2 * np.pi / turn)


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-2500, 2500, 999),
        np.arange(0, 256),
        np.arange(-8, 9),
        np.linspace(-90, 200, 999),
        np.linspace(0, 100, 999),
    ],
)
def test_a_range_of_no_known_scale_is_asked_about(values: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"phase_unit.*not in radians"):
        phase_scale(values)


def test_a_frequency_in_mhz_is_asked_about(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"frequency_Hz=127\.74e6"):
        read_b1(arrays["b1"], spacing_m=2e-3, frequency_Hz=127.74)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": np.ones((3, *SHAPE))}, "what are the channels of these images"),
        ({"image": np.ones((3, *SHAPE)), "echo_times_s": TIMES_s}, "images without a phase"),
        ({"phase": np.ones((3, *SHAPE)), "receivers": "svd"}, "need the magnitude of the images"),
        ({"phase": np.ones((3, *SHAPE)), "receivers": "svd", "echo_times_s": TIMES_s}, "echoes or receive channels"),
        ({"phase": [np.ones(SHAPE)] * 3}, "echo times missing"),
        ({"phase": [np.ones((2, *SHAPE))] * 3, "echo_times_s": TIMES_s}, "echoes of several channels"),
        ({"phase": [np.ones(SHAPE), np.ones((2, *SHAPE))], "echo_times_s": TIMES_s[:2]}, "echoes of different shapes"),
        ({"phase": np.ones(SHAPE), "image": np.ones(SHAPE, complex)}, "complex images hold the phase"),
        ({"phase": np.ones(SHAPE, complex)}, "complex values"),
        ({"complex": np.ones(SHAPE, complex), "phase_kind": "transmit", "echo_times_s": TIMES_s}, r"one map of B1\+"),
    ],
)
def test_what_images_cannot_mean(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_b1(**arguments, frequency_Hz=64e6, spacing_m=2e-3)
