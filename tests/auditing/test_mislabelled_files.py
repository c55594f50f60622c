"""Eight files of three programs that are not what they, or their makers, say; each is named right from its data.

Oracle: what was done to the closed form before it was written. The S-parameters beside it come from a fine sum over
the ball, so the balance of power closes to what the voxels of the file leave, 2 %.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_files import (
    DENSITY,
    FREQUENCY,
    PERMITTIVITY,
    RADIUS,
    SHAPE,
    SIGMA,
    STEP,
    Solution,
    solution,
    solved,
    write_cst,
    write_hfss,
    write_openems,
    write_s,
)

import emdose as em
from emdose.auditing.finding import CONTRADICTED, OPEN
from emdose.constants import MU_0
from emdose.models.bodies.tissues import Constant

HALF = 0.5**0.5


def ball() -> em.Phantom:
    """The body of the fields, on voxels around their points."""
    grid = em.Grid(SHAPE, STEP)
    x, y, z = grid.centre_points()
    gel = em.Tissue("gel", DENSITY, Constant(PERMITTIVITY, SIGMA))
    return em.Phantom(grid, (x**2 + y**2 + z**2 < RADIUS**2).astype(np.uint8), (em.TissueTable.default()["air"], gel))


WATT = {"drive": "sqrt(W)"}
CASES: dict[str, tuple[Callable[[Path, Solution], Any], dict[str, Any], str, str]] = {
    "CST: metres called mm": (lambda d, s: write_cst(d, s, unit="mm"), WATT, "length", "m"),
    "CST: B called H": (
        lambda d, s: write_cst(d, s.changed(H=MU_0).in_unit(1e-3), magnetic_unit="A/m"),
        WATT,
        "magnetic",
        "T",
    ),
    "CST: rms called peak": (lambda d, s: write_cst(d, s.scaled(HALF).in_unit(1e-3)), WATT, "amplitude", "rms"),
    "HFSS: other sense of time": (lambda d, s: write_hfss(d, s.changed(conjugated=True)), WATT, "time", "exp(-jwt)"),
    "HFSS: columns in another order": (lambda d, s: write_hfss(d, s.changed(order="zyx")), WATT, "components", "zyx"),
    "HFSS: per volt called per root of a watt": (
        lambda d, s: write_hfss(d, s.scaled(0.1)),
        {"drive": "sqrt(W)", "amplitude": "peak"},
        "drive",
        "V incident",
    ),
    "openEMS: mm called metres": (lambda d, s: write_openems(d, s.in_unit(1e-3)), WATT, "length", "mm"),
    "openEMS: not interpolated": (write_openems, {"positions": "points"}, "positions", "yee"),
}


@pytest.mark.parametrize("name", CASES)
def test_named_right(tmp_path: Path, name: str) -> None:
    write, named, question, truth = CASES[name]
    s, body = (solution(2), ball()) if question != "positions" else solved()[:2]
    files = write(tmp_path, s)
    network = write_s(tmp_path, s)
    found = em.audit(files, body, touchstone=network, frequency_Hz=FREQUENCY, efficiency=(0.95, 1), **named)
    assert found[question].state == CONTRADICTED
    assert found[question].value == truth
    assert found[question].used == truth
    assert found.contradicted == (question,)
    assert found.open == ()
    assert found[question].evidence[0].numbers


def test_sar_of_a_mislabelled_file_is_that_of_the_right_one(tmp_path: Path) -> None:
    """By whatever names the numbers come, the power per watt is that of the closed form."""
    s = solution(2)
    for folder, write, named in (
        ("a", lambda d: write_cst(d, s.in_unit(1e-3)), {"drive": "sqrt(W)"}),
        ("b", lambda d: write_cst(d, s.scaled(HALF).in_unit(1e-3)), {"drive": "sqrt(W)"}),
        ("c", lambda d: write_cst(d, s.scaled(HALF).in_unit(1e-3)), {}),
        ("d", lambda d: write_hfss(d, s.changed(conjugated=True, order="yxz")), {"amplitude": "peak"}),
    ):
        (tmp_path / folder).mkdir()
        network = write_s(tmp_path, s)
        found = em.audit(write(tmp_path / folder), ball(), touchstone=network, efficiency=(0.95, 1), **named)
        assert found.open == ()
        fields = found.to_fields()
        assert fields.drive_unit == "sqrt(W)"
        mass = ball().mass_kg
        waves = np.eye(2) - s.network.s[0].conj().T @ s.network.s[0]
        for drive in (np.array([1, 0]), np.array([1, 1j]), np.array([1, -1j])):
            expected = np.vdot(drive, waves @ drive).real / mass
            assert em.whole_body_sar(found.sar(drive)) == pytest.approx(expected, rel=0.06)


def test_half_a_watt_is_told_by_the_word_peak(tmp_path: Path) -> None:
    """Peak fields of half a watt are rms fields of one: what the program documents decides which words are used."""
    s = solution(2)
    files, network = write_cst(tmp_path, s.scaled(HALF).in_unit(1e-3)), write_s(tmp_path, s)
    found = em.audit(files, ball(), touchstone=network, efficiency=(0.95, 1))
    assert found["drive"].value == "sqrt(W) peak"
    assert found["amplitude"].value == "peak"
    assert "the same numbers" in found["drive"].evidence[0].sentence
    # Half of the power may as well be lost in the coil, as long as nobody says that it is not.
    lossy = em.audit(files, ball(), touchstone=network)
    assert {lossy[q].state for q in ("drive", "amplitude")} == {OPEN}
    assert "efficiency" in lossy["drive"].evidence[0].sentence


def test_what_cannot_be_told_must_be_named(tmp_path: Path) -> None:
    s = solution(2)
    files = write_cst(tmp_path, s.in_unit(1e-3))
    found = em.audit(files, ball())
    assert set(found.open) == {"amplitude", "drive"}
    assert {found[q].state for q in found.open} == {OPEN}
    with pytest.raises(em.InputError, match="amplitude: the data cannot tell this convention") as caught:
        found.to_fields()
    assert "\n" not in str(caught.value)
    with pytest.raises(em.InputError, match="drive: the data cannot tell"):
        em.audit(files, ball(), accept_stated=True).to_fields()  # the program's word covers the amplitude alone
    named = em.audit(files, ball(), amplitude="peak", drive="V incident")
    assert named["drive"].used_by == "the user"
    assert named.to_fields().drive_unit == "V"


def test_losses_of_the_coil_keep_the_balance_open_until_they_are_named(tmp_path: Path) -> None:
    s = solution(2)
    files = write_cst(tmp_path, s.scaled(0.8**0.5).in_unit(1e-3))
    table = write_s(tmp_path, s)
    found = em.audit(files, ball(), touchstone=table, drive="sqrt(W)")
    assert "amplitude" in found.open
    assert (
        em.audit(files, ball(), touchstone=table, drive="sqrt(W)", efficiency=(0.7, 0.9))["amplitude"].value == "peak"
    )
    # More power than the ports accept is no loss.
    more = write_cst(tmp_path, s.scaled(1.2).in_unit(1e-3))
    found = em.audit(more, ball(), touchstone=table, drive="sqrt(W)")
    assert found["amplitude"].state == CONTRADICTED
    assert found["amplitude"].value is None
    with pytest.raises(em.InputError):
        found.to_fields()


def test_the_user_is_not_overruled_in_silence(tmp_path: Path) -> None:
    s = solution(2)
    files = write_cst(tmp_path, s.in_unit(1e-3))
    found = em.audit(files, ball(), touchstone=write_s(tmp_path, s), time="exp(-jwt)")
    assert found["time"].state == CONTRADICTED
    with pytest.raises(em.InputError, match="time: the data contradict what you say"):
        found.to_fields()


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    s = solution(2)
    files = write_cst(tmp_path, s.in_unit(1e-3))
    for match, more in (
        ("unknown amplitude", {"amplitude": "effective"}),
        ("unknown convention", {"phase": "zero"}),
        ("bad unit of length", {"length": -1}),
        ("bad range", {"efficiency": (0.9, 0.1)}),
        (
            "body and fields do not meet",
            {"phantom": em.Phantom(ball().grid.moved((1, 0, 0)), ball().labels, ball().tissues)},
        ),
    ):
        with pytest.raises(em.InputError, match=match) as caught:
            em.audit(files, **more)
        assert "\n" not in str(caught.value)
    found = em.audit(files, amplitude="peak", drive="V incident")
    with pytest.raises(em.InputError, match="no body to compute SAR in"):
        found.to_fields()
    wide = em.Grid((40, 40, 40), STEP)
    x, y, z = wide.centre_points()
    large = em.Phantom(wide, (x**2 + y**2 + z**2 < 0.09**2).astype(np.uint8), ball().tissues)
    found = em.audit(files, large, amplitude="peak", drive="V incident")
    with pytest.raises(em.InputError, match="no electric field in"):
        found.to_fields()
    turned = em.audit(write_cst(tmp_path, s.changed(H=-1).in_unit(1e-3)), ball(), amplitude="peak", drive="V incident")
    with pytest.raises(em.InputError, match="opposite sign"):
        turned.to_fields()


def test_an_electric_field_alone(tmp_path: Path) -> None:
    """What Faraday's law would tell is named; the balance of power still tells rms from peak."""
    s = solution(2)
    files = [p for p in write_cst(tmp_path, s.scaled(HALF).in_unit(1e-3)) if p.name.startswith("e")]
    table = write_s(tmp_path, s)
    found = em.audit(files, ball(), touchstone=table, drive="sqrt(W)", efficiency=(0.95, 1))
    assert set(found.open) >= {"length", "time", "positions"}
    found = em.audit(files, ball(), touchstone=table, drive="sqrt(W)", efficiency=(0.95, 1), accept_stated=True)
    assert found.open == ()
    assert found["amplitude"].value == "rms"
    assert found["time"].used_by == "what is documented of CST"
    whole = em.whole_body_sar(found.sar([1, 0]))
    both = em.audit(write_cst(tmp_path, s.in_unit(1e-3)), ball(), amplitude="peak", drive="sqrt(W)")
    assert whole == pytest.approx(em.whole_body_sar(both.sar([1, 0])), rel=1e-6)
