"""B1+ maps and property maps on disk. Oracles: what was written, NIfTI geometry through nibabel."""

from __future__ import annotations

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest

from emdose.ept import Flag, Helmholtz, PropertyMap
from emdose.errors import InputError
from emdose.io.b1.read import read_b1
from emdose.io.maps.property_maps import read_property_map, write_property_map
from emdose.models.grids.grid import Grid

SHAPE = (8, 9, 7)
AFFINE = np.array([[-2.0, 0, 0, 10], [0, 1.5, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:7, 1:8, 1:6] = 1
    return {
        "magnitude": rng.uniform(0.5, 1, SHAPE),
        "phase": rng.uniform(-1, 1, SHAPE),
        "mask": mask,
        "segmentation": rng.integers(0, 3, SHAPE).astype(np.int16),
    }


def nifti(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE, unit: str = "mm") -> Path:
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def test_nifti_is_turned_to_ras_and_back(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Oracle: a voxel keeps its place in scanner coordinates on the way in and out."""
    files = {name: nifti(tmp_path / f"{name}.nii.gz", values) for name, values in arrays.items()}
    b1 = read_b1(**files, frequency_Hz=123e6, noise=0.01)
    assert b1.axis_codes == "LAS"
    np.testing.assert_allclose(b1.grid.spacing_m, (2e-3, 1.5e-3, 3e-3))
    np.testing.assert_allclose(b1.magnitude, arrays["magnitude"][::-1])
    assert b1.affine is not None
    np.testing.assert_allclose(b1.affine @ [7, 2, 3, 1], AFFINE @ [0, 2, 3, 1])
    np.testing.assert_allclose(b1.grid.centres(0)[0] * 1e3, (b1.affine @ [0, 0, 0, 1])[0])
    assert b1.u_phase == 0.01
    found = Helmholtz(radius=1, uncertainty=False).reconstruct(b1, "cpu")
    written = write_property_map(tmp_path / "out.nii.gz", found)
    assert {p.name for p in written} == {"out_conductivity.nii.gz", "out_permittivity.nii.gz", "out_flags.nii.gz"}
    image = nibabel.load(tmp_path / "out_conductivity.nii.gz")
    np.testing.assert_allclose(image.affine, AFFINE)
    np.testing.assert_allclose(np.asarray(image.dataobj)[::-1], found.conductivity, rtol=1e-6)


def test_all_kinds_of_files_give_the_same_map(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Oracle: the arrays themselves."""
    with h5py.File(tmp_path / "xyz.h5", "w") as file:
        for name, values in arrays.items():
            file[f"maps/{name}"] = values
    with h5py.File(tmp_path / "zyx.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values.T
    for name, values in arrays.items():
        with h5py.File(tmp_path / f"{name}.mat", "w") as file:  # MATLAB shows (x, y, z), HDF5 (z, y, x)
            file[name] = values.T
        np.save(tmp_path / f"{name}.npy", values)
    np.savez(tmp_path / "all.npz", **arrays)
    options: list[tuple[dict[str, object], str | None]] = [
        (dict(arrays), None),
        ({n: f"{tmp_path}/xyz.h5:/maps/{n}" for n in arrays}, None),
        ({n: f"{tmp_path}/zyx.h5:{n}" for n in arrays}, "zyx"),
        ({n: tmp_path / f"{n}.mat" for n in arrays}, None),
        ({n: tmp_path / f"{n}.npy" for n in arrays}, None),
        ({n: f"{tmp_path}/all.npz:{n}" for n in arrays}, None),
    ]
    for sources, order in options:
        b1 = read_b1(**sources, frequency_Hz=64e6, spacing_m=2e-3, order=order)  # type: ignore[arg-type]
        np.testing.assert_array_equal(b1.magnitude, arrays["magnitude"])
        np.testing.assert_array_equal(b1.phase, arrays["phase"])
        np.testing.assert_array_equal(b1.mask, arrays["mask"] > 0)
        np.testing.assert_array_equal(b1.labels, arrays["segmentation"])


def test_channels_come_to_the_front(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Oracle: the arrays themselves; NIfTI and MATLAB keep channels last."""
    several = np.stack([arrays["magnitude"], 2 * arrays["magnitude"]], axis=-1)
    b1 = read_b1(nifti(tmp_path / "m.nii", several, np.diag([2.0, 2, 2, 1])), frequency_Hz=64e6)
    np.testing.assert_allclose(b1.channel(1).magnitude, several[..., 1])
    with h5py.File(tmp_path / "m.mat", "w") as file:
        file["b1"] = several.T
    again = read_b1(tmp_path / "m.mat", frequency_Hz=64e6, spacing_m=2e-3)
    np.testing.assert_allclose(again.magnitude, b1.magnitude)


def test_property_maps_survive_hdf5(tmp_path: Path) -> None:
    """Oracle: what was written."""
    rng = np.random.default_rng(1)
    flags = np.zeros(SHAPE, np.uint8)
    flags[0] = Flag.OUTSIDE
    maps = PropertyMap(
        Grid(SHAPE, (1e-3, 2e-3, 3e-3), (0.1, 0.2, 0.3)),
        64e6,
        rng.random(SHAPE),
        rng.random(SHAPE),
        flags,
        u_conductivity=rng.random(SHAPE),
        covariance=rng.random(SHAPE),
        method="test",
        settings={"radius": [1, 2, 3]},
        affine=AFFINE,
        axis_codes="LAS",
    )
    write_property_map(tmp_path / "maps.h5", maps)
    again = read_property_map(tmp_path / "maps.h5")
    assert again.grid == maps.grid
    assert (again.method, again.axis_codes, dict(again.settings)) == ("test", "LAS", {"radius": [1, 2, 3]})
    np.testing.assert_array_equal(again.affine, AFFINE)
    assert again.maps().keys() == maps.maps().keys()
    for name, values in maps.maps().items():
        np.testing.assert_array_equal(again.maps()[name], values)
    np.testing.assert_array_equal(again.flags, flags)
    write_property_map(tmp_path / "maps.vti", maps)
    assert b"conductivity_S_m" in (tmp_path / "maps.vti").read_bytes()
    with pytest.raises(InputError, match="unknown kind of file"):
        write_property_map(tmp_path / "maps.txt", maps)
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    for name, text in (("bad.h5", "not a readable"), ("none.h5", "no such file")):
        with pytest.raises(InputError, match=text):
            read_property_map(tmp_path / name)


def test_bad_input_is_refused_in_one_line(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    good = nifti(tmp_path / "good.nii", arrays["magnitude"])
    moved = AFFINE.copy()
    moved[0, 3] += 3
    nifti(tmp_path / "moved.nii", arrays["phase"], moved)
    nifti(tmp_path / "metres.nii", arrays["phase"], np.diag([2e-3, 2e-3, 2e-3, 1]))
    nifti(tmp_path / "small.nii", arrays["phase"][:-1])
    (tmp_path / "broken.nii.gz").write_bytes(b"\x1f\x8b\x08junk")
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPYjunk")
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = arrays["magnitude"], arrays["phase"]
        file["complex"] = arrays["phase"] + 1j
    a = arrays["magnitude"]
    cases: list[tuple[dict[str, object], str]] = [
        ({"magnitude": tmp_path / "none.nii"}, "no such file"),
        ({"magnitude": tmp_path / "broken.nii.gz"}, "not a readable NIfTI"),
        ({"magnitude": tmp_path / "old.mat"}, "v7.3"),
        ({"magnitude": tmp_path / "x.npy"}, "not a readable NumPy"),
        ({"magnitude": tmp_path / "b1.dcm"}, "unknown kind of file"),
        ({"magnitude": tmp_path / "two.h5"}, "which dataset"),
        ({"magnitude": f"{tmp_path}/two.h5:/c"}, "no such dataset"),
        ({"magnitude": f"{tmp_path}/two.h5:/a"}, "voxel size missing"),
        ({"magnitude": f"{tmp_path}/two.h5:/complex", "spacing_m": 2e-3}, "complex"),
        ({"magnitude": good, "phase": tmp_path / "moved.nii"}, "affine differs"),
        ({"magnitude": good, "phase": tmp_path / "small.nii"}, "shape differs"),
        ({"magnitude": tmp_path / "metres.nii"}, "metres against millimetres"),
        ({"magnitude": good, "spacing_m": 2.0}, "differs from the header"),
        ({"magnitude": good, "mask": np.ones(SHAPE)}, "covers the whole image"),
        ({"magnitude": good, "mask": np.zeros(SHAPE)}, "mask is empty"),
        ({"magnitude": good, "segmentation": a}, "not whole numbers"),
        ({"magnitude": good, "frequency_Hz": None}, "frequency missing"),
        ({"magnitude": a, "phase": 180 * a, "spacing_m": 2e-3}, "not in radians"),
        ({"magnitude": a, "spacing_m": 2.0}, "voxels of this size are no voxels of a body"),
        ({"magnitude": a, "spacing_m": 2e-3, "order": "yxz"}, "unknown axis order"),
        ({"magnitude": a, "spacing_m": 2e-3, "noise": (0.1, 0.1, 0.1)}, "bad noise"),
        ({"mask": a}, "neither magnitude nor phase"),
        ({"magnitude": np.ones(4), "spacing_m": 2e-3}, "not a voxel map"),
        ({"magnitude": np.full(SHAPE, "x"), "spacing_m": 2e-3}, "not an array of numbers"),
    ]
    for arguments, text in cases:
        with pytest.raises(InputError, match=text) as caught:
            read_b1(**{"frequency_Hz": 64e6, **arguments})  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_units_signs_and_complex_maps_give_the_same_map(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Oracle: magnitude and phase in radians, of which the others are made by hand."""
    magnitude, phase, mask = (arrays[n] for n in ("magnitude", "phase", "mask"))
    whole = magnitude * np.exp(1j * phase)
    parts = (nifti(tmp_path / "re.nii", whole.real), nifti(tmp_path / "im.nii", whole.imag))
    h5 = tmp_path / "b1.h5"
    matlab = np.zeros(SHAPE, [("real", "f8"), ("imag", "f8")])
    matlab["real"], matlab["imag"] = whole.real, whole.imag
    with h5py.File(h5, "w") as file:
        file["plain"], file["matlab"] = whole, matlab
    options = {"frequency_Hz": 64e6, "spacing_m": 2e-3, "mask": mask}
    wanted = read_b1(magnitude, phase, **options)
    assert wanted.phase_kind == "transceive"
    steps = np.rint(phase / (2 * np.pi / 2**24)).astype(np.int32)
    for got in (
        read_b1(magnitude, np.degrees(phase), phase_unit="deg", **options),
        read_b1(magnitude, -phase / np.pi, phase_unit="pi", phase_sign=-1, **options),
        read_b1(magnitude, steps, phase_unit=2 * np.pi / 2**24, **options),
        read_b1(complex=whole, phase_kind="transceive", **options),
        read_b1(complex=whole.conj(), phase_kind="transceive", phase_sign=-1, **options),
        read_b1(complex=(whole.real, whole.imag), phase_kind="transceive", **options),
        read_b1(complex=f"{h5}:/plain", phase_kind="transceive", **options),
        read_b1(complex=f"{h5}:/matlab", phase_kind="transceive", **options),
    ):
        np.testing.assert_allclose(got.magnitude, magnitude, rtol=1e-12)
        np.testing.assert_allclose(got.phase, phase, atol=1e-6)
    files = read_b1(complex=parts, phase_kind="transmit", frequency_Hz=64e6)
    assert files.affine is not None
    assert files.phase_kind == "transmit"
    np.testing.assert_allclose(files.phase, nifti_order(phase), atol=1e-12)


def nifti_order(values: np.ndarray) -> np.ndarray:
    return values[::-1]  # the affine runs from right to left along x


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"complex": np.ones(SHAPE, complex)}, "what is the phase of the complex map"),
        ({"complex": np.ones(SHAPE), "phase_kind": "transmit"}, "not complex"),
        ({"complex": (np.ones(SHAPE), np.ones((2, 9, 7))), "phase_kind": "transmit"}, "shape differs"),
        ({"complex": (np.ones(SHAPE) * 1j, np.ones(SHAPE)), "phase_kind": "transmit"}, "two complex maps"),
        ({"complex": np.ones(SHAPE, complex), "phase": np.ones(SHAPE), "phase_kind": "transmit"}, "holds both"),
        ({"complex": np.ones(SHAPE, complex), "phase_unit": "deg", "phase_kind": "transmit"}, "no unit of phase"),
        ({"phase": np.ones(SHAPE), "phase_unit": "degree"}, "unknown unit"),
    ],
)
def test_complex_maps_that_do_not_fit(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        read_b1(**arguments, frequency_Hz=64e6, spacing_m=2e-3)  # type: ignore[arg-type]
