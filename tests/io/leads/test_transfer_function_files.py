"""Files of transfer functions: round trip, scans of a piX as published, and what a reader must refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import emdose as em

DATA = Path(__file__).parents[2] / "data"
GEL = {"permittivity": 80.0, "conductivity_S_m": 0.47}
PLUS = "exp(+jwt)"
SCANS = json.loads((DATA / "saimd_u_pix.json").read_text("utf-8"))


def made() -> em.TransferFunction:
    s = np.linspace(0, 0.4, 21)
    return em.TransferFunction(
        s, np.exp(-(1 + 9j) * s), 64e6, 80.0, 0.47, "exp(-jwt)", "temperature rise", scale=3.5, scale_unit="K/V^2",
        field_amplitude="rms", calibration="trough: line 7", ends="tip bare", name="my lead", normalisation="tip",
    )  # fmt: skip


def test_round_trip(tmp_path: Path) -> None:
    tf = made()
    found = em.read_transfer_function(em.write_transfer_function(tf, tmp_path / "lead.csv"))
    for key in tf.__dataclass_fields__:
        if key not in ("distance_m", "values"):
            assert getattr(found, key) == getattr(tf, key), key
    np.testing.assert_allclose(found.distance_m, tf.distance_m, rtol=1e-12)
    np.testing.assert_allclose(found.values, tf.values, rtol=1e-12)


@pytest.mark.parametrize(
    ("frequency_MHz", "size", "phase"),
    [(64, (0.0004, 0.0008), (0.0005, 0.0012)), (128, (0.0015, 0.0085), (0.0005, 0.0035))],
)
def test_repeats_of_the_standard_lead(frequency_MHz: int, size: tuple, phase: tuple, tmp_path: Path) -> None:
    """Scan minus background against the published target: 0.05-0.07 % and 0.06-0.11 %; 0.2-0.8 % and 0.06-0.33 %."""
    target = em.read_transfer_function(
        DATA / "saimd_u_transfer_function.csv", frequency_MHz * 1e6, time_convention=PLUS, **GEL
    )
    repeats = []
    for i in (1, 2, 3):
        files = {}
        for kind in ("scan", "background"):
            files[kind] = tmp_path / f"{kind}{i}.json"
            files[kind].write_text(json.dumps(SCANS[f"{frequency_MHz} MHz {kind} {i}"]), encoding="utf-8")
        repeats.append(
            em.read_transfer_function(
                files["scan"],
                frequency_MHz * 1e6,
                time_convention=PLUS,
                unit="m",
                background=files["background"],
                **GEL,
            )
        )
        found = repeats[-1].nrmse(target)
        assert size[0] < found[0] < size[1]
        assert phase[0] < found[1] < phase[1]
        assert repeats[-1].length_m == pytest.approx(0.62)
    middle = replace(target, values=np.mean([r.normalised().values for r in repeats], axis=0))
    assert max(max(r.nrmse(middle)) for r in repeats) < 0.01


HEAD = "# time convention: exp(+jwt)\n# medium permittivity: 80\n# medium conductivity: 0.47 S/m\n# frequency: 64 MHz\n"
BODY = "distance_from_tip_mm,magnitude,phase_rad\n0,1,0\n10,0.9,-0.1\n20,0.8,-0.3\n"


@pytest.mark.parametrize(
    ("text", "given", "match"),
    [
        (HEAD[29:] + BODY, {}, "unknown time convention"),
        (HEAD.replace("+jwt", "iwt") + BODY, {}, "unknown time convention"),
        (HEAD + BODY, {"time_convention": "exp(-jwt)"}, "another time convention"),
        (HEAD + BODY, {"frequency_Hz": 128e6}, "another frequency"),
        (HEAD + BODY, {"permittivity": 50.0}, "another medium"),
        (HEAD.replace("# medium permittivity: 80\n", "") + BODY, {}, "unknown medium"),
        (HEAD.replace(" S/m", "") + BODY, {}, "conductivity without a unit"),
        (HEAD.replace(" MHz", "") + BODY, {}, "frequency without a unit"),
        (HEAD.replace("# frequency: 64 MHz\n", "") + BODY, {}, "unknown frequency"),
        (HEAD + BODY.replace("_mm", ""), {}, "column without a unit"),
        (HEAD + BODY.replace("_rad", ""), {}, "column without a unit"),
        (HEAD + BODY.replace("-0.3", "-170"), {}, "phases in degrees"),
        (HEAD + BODY.replace("_mm", "_m").replace("20", "620"), {}, "millimetres taken for metres"),
        (HEAD + "# scale: 3\n" + BODY, {}, "scale without a unit"),
        (HEAD + BODY + "30,0.7\n", {}, "row does not fit"),
        (HEAD + BODY + "30,0.7,x\n", {}, "not a number"),
        (HEAD, {}, "no table"),
    ],
)
def test_refused(text: str, given: dict, match: str, tmp_path: Path) -> None:
    (tmp_path / "tf.csv").write_text(text, encoding="utf-8")
    with pytest.raises(em.InputError, match=match):
        em.read_transfer_function(tmp_path / "tf.csv", **given)


def test_other_columns(tmp_path: Path) -> None:
    plain = HEAD + BODY
    (tmp_path / "a.csv").write_text(plain, encoding="utf-8")
    (tmp_path / "b.csv").write_text(
        HEAD + "distance_from_tip_cm,magnitude,phase_deg\n0,1,0\n1,0.9,-5.729577951308232\n2,0.8,-17.188733853924695\n",
        encoding="utf-8",
    )
    a, b = (em.read_transfer_function(tmp_path / f"{n}.csv") for n in "ab")
    np.testing.assert_allclose(a.values, b.values, rtol=1e-12)
    with pytest.raises(em.InputError, match="several frequencies"):
        em.read_transfer_function(DATA / "saimd_u_transfer_function.csv", time_convention=PLUS, **GEL)


def test_refused_scans(tmp_path: Path) -> None:
    path = tmp_path / "scan.json"
    path.write_text(json.dumps({"y_coord": [0, 1], "Ch1 R": [1, 2]}), encoding="utf-8")
    with pytest.raises(em.InputError, match="positions without a unit"):
        em.read_transfer_function(path, 64e6, time_convention=PLUS, **GEL)
    with pytest.raises(em.InputError, match="not a piX scan"):
        em.read_transfer_function(path, 64e6, time_convention=PLUS, unit="m", **GEL)
    with pytest.raises(em.InputError, match="unknown kind of file"):
        em.write_transfer_function(made(), tmp_path / "a.json")
