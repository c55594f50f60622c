"""B1+ maps from DICOM folders. Oracles: what was written, by pydicom; the geometry that DICOM defines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import ORIGIN_MM, STEPS_MM, write
from pydicom.uid import DeflatedExplicitVRLittleEndian

from emdose.errors import InputError
from emdose.io.b1.read import read_b1

SHAPE = (14, 12, 6)


@pytest.fixture
def maps() -> dict[str, np.ndarray]:
    """Magnitude with a background of 0, a phase that is noise there, as from a scanner."""
    rng = np.random.default_rng(2)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    inside = x**2 + y**2 < 0.9
    phase = np.where(inside, 1.2 * x + 0.8 * y**2 - 0.4 * z, rng.uniform(-np.pi, np.pi, SHAPE))
    return {"magnitude": np.where(inside, 900 + 400 * y, 5.0), "phase": phase, "inside": inside}


def folder_of(tmp_path: Path, maps: dict[str, np.ndarray], **more: Any) -> Path:
    folder = tmp_path / "scan"
    write(folder, maps["magnitude"], "magnitude", **more)
    write(folder, 4096 * maps["phase"] / np.pi, "phase", slope=2.0, shift=-4096.0, **more)
    return folder


def test_one_folder_gives_phase_geometry_and_frequency(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    """DICOM runs to the left and back (LPS+): both axes in the plane are turned."""
    b1 = read_b1(folder_of(tmp_path, maps))
    assert b1.magnitude is None
    assert b1.frequency_Hz == pytest.approx(123.25e6)
    np.testing.assert_allclose(b1.grid.spacing_m, np.array(STEPS_MM) * 1e-3)
    turned = {name: values[::-1, ::-1] for name, values in maps.items()}
    np.testing.assert_allclose(b1.phase, turned["phase"], atol=0.51 * 2 * np.pi / 4096)
    np.testing.assert_array_equal(b1.mask, turned["inside"])
    np.testing.assert_allclose(b1.reference, turned["magnitude"], atol=0.5)
    assert b1.axis_codes == "LPS"
    assert b1.affine is not None
    # The last voxel of both axes in the plane is the first of the files.
    np.testing.assert_allclose((b1.affine @ [13, 11, 0, 1])[:3], [20.0, 10.0, 5.0])
    notes = " / ".join(b1.notes)
    assert "8192 steps a turn, about 0, by its range" in notes
    assert "not abs(B1+)" in notes
    assert "12 DICOM images, 6 slices; parts: magnitude, phase" in notes


def test_a_b1_map_and_a_phase_in_two_folders(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    """Oracle: the arrays; real and imaginary parts hold both."""
    write(tmp_path / "b1", maps["magnitude"], "magnitude", series="b1map")
    whole = maps["magnitude"] * np.exp(1j * maps["phase"])
    write(tmp_path / "gre", whole.real, "real")
    write(tmp_path / "gre", whole.imag, "imaginary")
    b1 = read_b1(tmp_path / "b1", str(tmp_path / "gre"), frequency_Hz=123.2e6, phase_kind="transmit", phase_sign=-1)
    assert b1.phase_kind == "transmit"
    np.testing.assert_allclose(b1.magnitude, maps["magnitude"][::-1, ::-1], atol=0.5)
    inside = maps["inside"][::-1, ::-1]
    np.testing.assert_allclose(b1.phase[inside], -maps["phase"][::-1, ::-1][inside], atol=2e-3)


@pytest.mark.parametrize("which", ["sagittal", "oblique"])
def test_voxels_keep_their_place_in_other_planes(tmp_path: Path, maps: dict[str, np.ndarray], which: str) -> None:
    """Oracle: the equation of DICOM for the position of a pixel; the value found there."""
    c, s = np.cos(0.3), np.sin(0.3)
    orientation = {"sagittal": (0, 1.0, 0, 0, 0, -1.0), "oblique": (c, s, 0, -s, c, 0)}[which]
    b1 = read_b1(folder_of(tmp_path, maps, orientation=orientation))
    across, down = np.reshape(orientation, (2, 3))
    column, row, n = 3, 7, 4
    place = np.array(ORIGIN_MM) + column * STEPS_MM[0] * across + row * STEPS_MM[1] * down
    place = (place + n * STEPS_MM[2] * np.cross(across, down)) * [-1, -1, 1]
    assert b1.affine is not None
    index = tuple(np.rint(np.linalg.solve(b1.affine, [*place, 1])[:3]).astype(int))
    np.testing.assert_allclose((b1.affine @ [*index, 1])[:3], place, atol=1e-6)
    assert b1.reference is not None
    assert b1.reference[index] == pytest.approx(maps["magnitude"][column, row, n], abs=0.5)


def test_echoes_are_taken_to_time_zero(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    """Oracle: the phase that the echoes were made of."""
    off_Hz = 40 + 25 * np.linspace(-1, 1, SHAPE[0])[:, None, None]
    for echo_ms in (7.2, 2.4, 4.8):
        phase = np.angle(np.exp(1j * (maps["phase"] + 2 * np.pi * off_Hz * echo_ms * 1e-3)))
        write(tmp_path / "gre", maps["magnitude"] * np.exp(-echo_ms / 20), "magnitude", echo_ms=echo_ms)
        write(tmp_path / "gre", 1000 * phase, "phase", echo_ms=echo_ms)
    b1 = read_b1(tmp_path / "gre", noise=0.001)
    inside = maps["inside"][::-1, ::-1]
    np.testing.assert_array_equal(b1.mask, inside)
    turn = np.exp(1j * (b1.phase - maps["phase"][::-1, ::-1]))[inside]
    np.testing.assert_allclose(np.angle(turn / turn[0]), 0, atol=4e-3)  # milliradians, rounded, three echoes
    assert np.ndim(b1.u_phase) == 3
    assert "3 echoes (2.4, 4.8, 7.2 ms)" in " ".join(b1.notes)


def test_slices_with_gaps_and_single_ones_say_so(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    b1 = read_b1(folder_of(tmp_path, maps, thickness_mm=2.0))
    assert "slices of 2 mm every 3 mm" in " ".join(b1.notes)
    one = {name: values[:, :, :1] for name, values in maps.items()}
    (tmp_path / "single").mkdir()
    flat = read_b1(folder_of(tmp_path / "single", one, thickness_mm=5.0))
    assert flat.grid.shape == (14, 12, 1)
    assert flat.grid.spacing_m[2] == pytest.approx(5e-3)
    assert "one slice" in " ".join(flat.notes)


def test_receive_channels_are_combined(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    """Oracle: channels that differ by constants are one receiver, whose phase is theirs but for a constant."""
    for n, turn in enumerate((0.3, 2.0, -1.1)):
        phase = np.angle(np.exp(1j * (maps["phase"] + turn)))
        names = {"ReceiveCoilName": f"C{n}", "series": f"c{n}"}
        write(tmp_path / "gre", maps["magnitude"] * (1 + n), "magnitude", **names)
        write(tmp_path / "gre", 4096 * phase / np.pi, "phase", slope=2.0, shift=-4096.0, **names)
    b1 = read_b1(tmp_path / "gre")
    turn = np.exp(1j * (b1.phase - maps["phase"][::-1, ::-1]))[b1.mask]
    np.testing.assert_allclose(np.angle(turn / turn[0]), 0, atol=3e-3)
    assert "3 receive channels combined by constant weights" in " ".join(b1.notes)


def test_a_map_that_says_so_is_one(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    """Oracle: the arrays; beside images of the same voxels its folder is a whole map."""
    folder = folder_of(tmp_path, maps)
    write(folder, maps["magnitude"] / 10, "B1", series="b1map")
    both = read_b1(folder)
    alone = tmp_path / "b1"
    write(alone, maps["magnitude"] / 10, "FLIP ANGLE MAP", series="b1map")
    for b1 in (both, read_b1(alone)):
        np.testing.assert_allclose(b1.magnitude, np.rint(maps["magnitude"] / 10)[::-1, ::-1])
    assert both.phase is not None
    assert both.frequency_Hz == pytest.approx(123.25e6)


def test_other_words_for_parts(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    """Oracle: the same map by ImageType, by ComplexImageComponent and by the private element of one vendor."""
    wanted = read_b1(folder_of(tmp_path, maps))
    for n, name in enumerate(("component", "private")):
        folder = tmp_path / name
        for code, part in enumerate(("magnitude", "phase")):
            values = maps[part] if part == "magnitude" else 4096 * maps[part] / np.pi
            scale = {} if part == "magnitude" else {"slope": 2.0, "shift": -4096.0}
            more = {"ComplexImageComponent": part.upper()} if n == 0 else {}
            write(folder, values, "OTHER" if n else "ADC", series=part, **scale, **more)
            for path in folder.glob(f"{part}-*"):
                if n == 1:
                    one = pydicom.dcmread(path)
                    one.add_new((0x0043, 0x102F), "SS", code)
                    one.save_as(path)
        np.testing.assert_array_equal(read_b1(folder).phase, wanted.phase)


def test_what_is_no_single_acquisition_is_refused(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    """Each in one line that names what was found."""

    def case(name: str) -> Path:
        (tmp_path / name).mkdir()
        return folder_of(tmp_path / name, maps)

    twice = case("twice")
    write(twice, maps["magnitude"], "magnitude", series="t1 mprage")
    tilted = case("tilted")
    write(tilted, maps["magnitude"], "magnitude", series="localiser", orientation=(0, 1.0, 0, 0, 0, -1.0))
    shifted = case("shifted")
    for path in shifted.glob("*phase*"):
        one = pydicom.dcmread(path)
        one.ImagePositionPatient = [one.ImagePositionPatient[0] + 1.0, *one.ImagePositionPatient[1:]]
        one.SeriesDescription = "phase elsewhere"
        one.save_as(path)
    higher = case("higher")
    for path in higher.glob("*phase*"):
        one = pydicom.dcmread(path)
        one.ImagePositionPatient = [*one.ImagePositionPatient[:2], one.ImagePositionPatient[2] + 1.0]
        one.SeriesDescription = "phase above"
        one.save_as(path)
    gap = tmp_path / "gap"
    write(gap, maps["magnitude"], "magnitude", skip=2)
    write(gap, maps["phase"], "phase", skip=2)
    fewer = tmp_path / "fewer"
    write(fewer, maps["magnitude"], "magnitude")
    write(fewer, maps["phase"], "phase", skip=5)
    unnamed = tmp_path / "unnamed"
    write(unnamed, maps["magnitude"], "ADC")
    frames = tmp_path / "frames"
    write(frames, maps["magnitude"], "magnitude", NumberOfFrames=6)
    deflated = tmp_path / "deflated"
    write(deflated, maps["magnitude"], "magnitude")
    for path in deflated.iterdir():
        one = pydicom.dcmread(path)
        one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        one.save_as(path)
    only = tmp_path / "only"
    write(only, maps["magnitude"], "magnitude")
    doubtful = tmp_path / "doubtful"
    write(doubtful, maps["magnitude"], "magnitude")
    write(doubtful, 300 * maps["phase"], "phase")
    broken = tmp_path / "broken"
    write(broken, maps["magnitude"], "magnitude")
    for path in broken.iterdir():
        path.write_bytes(path.read_bytes()[:-200])
    (tmp_path / "empty").mkdir()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"magnitude": twice}, "several acquisitions.*4 gre; 4 t1 mprage"),
        ({"magnitude": tilted}, "several acquisitions.*4 gre; 4 localiser"),
        ({"magnitude": shifted}, "several acquisitions.*phase elsewhere.*shifted in the plane"),
        ({"magnitude": higher}, "several acquisitions.*phase above lie elsewhere"),
        ({"magnitude": gap}, "slices are missing, or not equally spaced.*6 mm between the slices 2 and 3"),
        ({"magnitude": fewer}, "slices are missing; found '5 phase slices of the echo at 3 ms'"),
        ({"magnitude": unnamed}, "is this a magnitude or a phase"),
        ({"magnitude": frames}, "several frames"),
        ({"magnitude": deflated}, "a deflated DICOM file"),
        ({"phase": only}, "no phase among these images"),
        ({"magnitude": doubtful}, "its range is that of no known scale"),
        ({"magnitude": broken}, "pixels cannot be read"),
        ({"magnitude": tmp_path / "empty"}, "no B1\\+ map and no phase"),
    ]
    for arguments, words in cases:
        with pytest.raises(InputError, match=words) as caught:
            read_b1(**arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="frequency differs from that of the files"):
        read_b1(folder_of(tmp_path, maps), frequency_Hz=64e6)


def test_without_pydicom_the_line_says_what_to_install(
    tmp_path: Path, maps: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, maps)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match=r"needs pydicom.*pip install 'emdose\[dicom\]'"):
        read_b1(folder)
