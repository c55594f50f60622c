"""Incident fields from HDF5 files: what is written comes back, converted; what is unclear is refused."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError

h5py = pytest.importorskip("h5py")

AXES = [np.linspace(-0.1, 0.1, n) for n in (5, 6, 7)]
RANDOM = np.random.default_rng(0)
E, H = (RANDOM.normal(size=(2, 3, 5, 6, 7)) + 1j * RANDOM.normal(size=(2, 3, 5, 6, 7)) for _ in "EH")
STATED = {"frequency_Hz": 128e6, "amplitude": "peak", "time_factor": "exp(+jwt)"}


def write(path, arrays=None, **attributes):
    with h5py.File(path, "w") as h5:
        for name, values in (dict(zip("xyz", AXES, strict=True)) | (arrays or {"E": E, "H": H})).items():
            if values is not None:
                h5[name] = values
        h5.attrs.update({k: v for k, v in (STATED | attributes).items() if v is not None})
    return path


def test_fields_come_back_as_they_were_written(tmp_path):
    # Oracle: the arrays; complex datasets and pairs of real ones alike.
    field = em.read_incident_field(write(tmp_path / "a.h5", ports=["left", "right"]))
    assert (field.ports, field.frequency_Hz, field.name) == (("left", "right"), 128e6, "a")
    np.testing.assert_array_equal(field.E.values, E)
    np.testing.assert_array_equal(field.H.values, H)
    assert len(field.parameters["file_sha256"]) == 64
    pair = write(tmp_path / "b.h5", {"E_real": E[0].real, "E_imag": E[0].imag})
    field = em.read_incident_field(pair, name="measured")
    np.testing.assert_array_equal(field.E.values, E[:1])
    assert (field.H, field.ports, field.name) == (None, ("field",), "measured")


def test_rms_values_and_the_other_time_factor_are_converted(tmp_path):
    # Oracle: peak = sqrt(2) rms; exp(-jwt) is the conjugate.
    field = em.read_incident_field(write(tmp_path / "a.h5", amplitude="rms", time_factor="exp(-jwt)"))
    np.testing.assert_allclose(field.E.values, np.sqrt(2) * E.conj(), rtol=1e-15)
    np.testing.assert_allclose(field.H.values, np.sqrt(2) * H.conj(), rtol=1e-15)


@pytest.mark.parametrize(
    ("arrays", "attributes", "words"),
    [
        (None, {"frequency_Hz": None}, "frequency_Hz: attribute missing"),
        (None, {"amplitude": None}, "amplitude: attribute missing"),
        (None, {"time_factor": None}, "time_factor: attribute missing"),
        (None, {"amplitude": "maximum"}, "amplitude: unknown choice.*peak or rms"),
        (None, {"time_factor": "exp(iwt)"}, "time_factor: unknown choice"),
        (None, {"frequency_Hz": -1.0}, "frequency_Hz: must be positive"),
        (None, {"frequency_Hz": "128 MHz"}, "frequency_Hz: must be positive"),
        ({"H": H}, {}, "E: no electric field"),
        ({"E": E[:, :, 1:]}, {}, "does not fit the points"),
        ({"E": E, "H": H[:1]}, {}, "as many ports"),
        ({"E": E * np.nan}, {}, "not a finite number"),
        ({"E_real": E.real}, {}, "E_imag: dataset missing"),
        ({"E": np.array(b"none")}, {}, "E: not an array of numbers"),
        ({"E": E, "x": None}, {}, "x: dataset missing"),
        (None, {"ports": ["one"]}, "ports"),
    ],
)
def test_what_is_unclear_is_refused_in_one_line(tmp_path, arrays, attributes, words):
    path = write(tmp_path / "a.h5", arrays, **attributes)
    with pytest.raises(InputError, match=words) as error:
        em.read_incident_field(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_files_that_are_none_are_refused(tmp_path):
    text = tmp_path / "a.h5"
    text.write_text("x, y, z")
    for path in (text, tmp_path / "missing.h5", tmp_path):
        with pytest.raises(InputError):
            em.read_incident_field(path)
