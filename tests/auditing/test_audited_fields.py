"""From an audit to SAR, limits, matrices and pages; and fields to CoSimPy and back.

Oracles: the solution of emdose that the file was written from; means of edges, which must be the centres' values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from foreign_files import FREQUENCY, Solution, solution, solved, write_cosimpy, write_cst, write_plain, write_s

import emdose as em
from emdose.auditing.balance import accepted_power, normalisation, order_of_ports, sense_of_powers
from emdose.auditing.converting import Converted, body_of, on_edges, sampled, voxels_around
from emdose.solvers.results.fields import PowerBalance


@dataclass
class StandInField:
    """What CoSimPy's EM_Field keeps; its checks of properties are repeated."""

    frequencies: Any
    nPoints: Any
    b_field: Any = None
    e_field: Any = None
    properties: dict[str, Any] = field(default_factory=dict)

    def __init__(self, freqs: Any, nPoints: Any, b_field: Any = None, e_field: Any = None, props: Any = None) -> None:
        assert len(props["idxs"]) == np.prod(nPoints)
        assert np.array_equal(np.unique(props["idxs"]), np.arange(np.max(props["idxs"]) + 1))
        assert all(len(v) == np.max(props["idxs"]) + 1 for k, v in props.items() if k != "idxs")
        assert e_field.shape[-1] == np.prod(nPoints)
        self.frequencies, self.nPoints, self.properties = np.array(freqs), np.array(nPoints), props
        self.b_field, self.e_field = b_field, e_field


@dataclass
class StandInS:
    S: Any
    frequencies: Any
    z0: Any


def per_volt() -> tuple[em.Fields, em.Phantom, em.Network]:
    """The solved loops, driven by sources of one volt behind 50 ohm: I = (Z + R)^-1 V."""
    s, ball, fields = solved()
    z0 = 50.0
    current = np.linalg.inv(s.network.z[0] + z0 * np.eye(3))
    E, B = (np.tensordot(current.T, np.asarray(v), 1) for v in (fields.E, fields.B))
    power = fields.power.combined(current)
    return replace(fields, E=E, B=B, power=power, drive_unit="V"), ball, s.network


def test_yee_fields_come_through_as_they_are(tmp_path: Path) -> None:
    s, ball, fields = solved()
    found = em.audit(write_plain(tmp_path / "f.h5", s), ball, touchstone=write_s(tmp_path, s), efficiency=(0.9, 1))
    assert found.open == found.contradicted == ()
    assert found.conventions["drive"] == "A"
    assert found.share == pytest.approx(1, abs=1e-3)
    assert found.rule == "trapezium"
    again = found.to_fields()
    for drive in (np.ones(3), np.array([1, 1j, -0.5])):
        expected = em.point_sar(fields.drive(drive), ball).value
        np.testing.assert_allclose(found.sar(drive).value, expected, rtol=1e-5, atol=1e-7 * expected.max())
    np.testing.assert_allclose(again.power.absorbed_W, fields.power.absorbed_W, rtol=0, atol=1e-4)
    q = found.q_matrices(10e-3)
    own = em.q_matrices(fields, ball)
    plan = em.AveragingPlan(ball.density, ball.spacing_m, 10e-3)
    np.testing.assert_allclose(q.matrices, em.dosimetry.averaged(own, plan).matrices, atol=1e-5 * abs(q.matrices).max())


def test_the_body_of_the_file_does_as_well(tmp_path: Path) -> None:
    s, ball, _ = solved()
    found = em.audit(write_plain(tmp_path / "f.h5", s), touchstone=write_s(tmp_path, s))
    assert found.phantom is not None
    assert found.phantom.grid.shape == ball.grid.shape
    np.testing.assert_array_equal(found.phantom.body, ball.body)
    np.testing.assert_allclose(found.phantom.grid.origin_m, ball.grid.origin_m, atol=1e-12)
    assert found.rule == "trapezium"


def test_centres_keep_their_values() -> None:
    rng = np.random.default_rng(2)
    values = (rng.normal(size=(2, 2, 3, 6, 5, 7)) + 1j * rng.normal(size=(2, 2, 3, 6, 5, 7))).astype(complex)
    E, B = on_edges(Converted((np.arange(6.0), np.arange(5.0), np.arange(7.0)), values[0], values[1], "V"))
    grid, n = em.Grid((6, 5, 7), 5e-3), np.zeros((2, 2), complex)
    fields = em.Fields(
        grid,
        1e8,
        E,
        B,
        np.ones(grid.shape, bool),
        1.0,
        PowerBalance(n, n, n),
        ("a", "b"),
        {},
        "V",
        np.zeros(2),
    )
    np.testing.assert_allclose(fields.E_centre(), values[0], atol=1e-9)
    np.testing.assert_allclose(fields.B_centre(), values[1], atol=1e-9)
    smooth = np.linspace(0, 1, 6)[:, None, None] * np.ones((1, 1, 6, 5, 7))
    line, _ = on_edges(
        Converted((np.arange(6.0),) * 3, np.stack([smooth] * 3, axis=1)[:, :, 0], np.zeros((1, 3, 6, 5, 7)), "V")
    )
    np.testing.assert_allclose(np.diff(line[0, 1, :, 0, 0]), 0.2, atol=1e-6)  # a line stays a line


def test_uneven_points_become_even_voxels() -> None:
    axes = (np.array([0.0, 2e-3, 5e-3, 9e-3]), 1e-3 * np.arange(4), 1e-3 * np.arange(5))
    grid = voxels_around(axes)
    assert grid.shape == (5, 4, 5)
    assert grid.spacing_m == pytest.approx((2e-3, 1e-3, 1e-3))
    x = axes[0][:, None, None] * np.ones((1, 4, 5))
    found = sampled(Converted(axes, np.stack([[x] * 3]) + 0j, np.stack([[x] * 3]) + 0j, "V"), grid)
    np.testing.assert_allclose(found.E[0, 0, :, 0, 0].real, grid.centres(0), atol=1e-15)
    sigma = np.where(x > 4e-3, 0.5, 0.0)
    body = body_of(axes, sigma, 2000 * sigma, "uneven")
    assert body is not None
    np.testing.assert_array_equal(body.body[:, 0, 0], [False, False, True, True, True])


def test_cosimpy_there_and_back() -> None:
    fields, ball, network = per_volt()
    made, s = em.to_cosimpy(fields, ball, network, em_field_class=StandInField, s_matrix_class=StandInS)
    assert made.e_field.shape == (1, 3, 3, ball.grid.size)
    np.testing.assert_array_equal(made.nPoints, ball.grid.shape)
    # Power of one watt at port 1, by CoSimPy's own words: sigma abs(E_rms)^2.
    sigma = made.properties["elCond"][made.properties["idxs"]]
    absorbed = np.sum(sigma * np.sum(np.abs(made.e_field[0, 0]) ** 2, axis=0)) * ball.grid.voxel_volume_m3
    own = em.point_sar(fields.drive(np.array([20.0, 0, 0])), ball, "mid-ordinate").power_W()
    assert absorbed == pytest.approx(own, rel=1e-5)
    assert 0.95 < absorbed / (1 - np.sum(np.abs(s.S[0][:, 0]) ** 2)) < 1  # what the rule of the centres leaves
    read = em.from_cosimpy(made, 5e-3, s_matrix=s)
    found = em.audit(read, amplitude="rms", drive="sqrt(W)")
    assert found.contradicted == found.open == ()
    assert found["length"].state == "confirmed"
    assert found["amplitude"].state == "confirmed"
    for drive in (np.array([1, 0, 0]), np.array([1, 1j, -0.5])):
        # One root of a watt is sqrt(8 z0) volt of a source.
        expected = em.point_sar(fields.drive(drive * np.sqrt(400.0)), ball, "mid-ordinate").value
        np.testing.assert_allclose(found.sar(drive).value, expected, rtol=1e-5, atol=1e-6 * expected.max())
    again, _ = em.to_cosimpy(found.to_fields(), found.body(), em_field_class=StandInField)
    np.testing.assert_allclose(again.e_field, made.e_field, atol=1e-6 * np.abs(made.e_field).max())
    np.testing.assert_allclose(again.b_field, made.b_field, atol=1e-6 * np.abs(made.b_field).max())


def test_cosimpy_without_density_says_so() -> None:
    fields, ball, network = per_volt()
    made, s = em.to_cosimpy(fields, ball, network, em_field_class=StandInField, s_matrix_class=StandInS)
    del made.properties["massDensity"]
    read = em.from_cosimpy(made, 5e-3, s_matrix=s)
    assert any("no density" in note for note in read.notes)
    with pytest.raises(em.InputError, match="no body to compute SAR in"):
        em.audit(read).to_fields()
    assert em.whole_body_sar(em.audit(read, ball, accept_stated=True).sar([1, 0, 0])) > 0
    for match, make in (
        ("not one frequency", lambda: em.from_cosimpy(made, 5e-3, frequency_Hz=1e6)),
        ("no such property", lambda: em.from_cosimpy(made, 5e-3, density="rho")),
        ("volts of sources", lambda: em.to_cosimpy(fields, ball, em_field_class=StandInField)),
        ("belong to incident waves", lambda: em.to_cosimpy(solved()[2], ball, em_field_class=StandInField)),
    ):
        with pytest.raises(em.InputError, match=match):
            make()


def test_matrices_of_cosimpy() -> None:
    """Oracle: Q-matrices of emdose at the voxels' centres; a drive whose SAR differs with Q and its transpose."""
    fields, ball, network = per_volt()
    made, _ = em.to_cosimpy(fields, ball, network, em_field_class=StandInField, s_matrix_class=StandInS)
    E = made.e_field[0] / np.sqrt(50.0)  # as its methods do
    sigma, rho = (made.properties[k][made.properties["idxs"]] for k in ("elCond", "massDensity"))
    inside = rho > 0
    q = (sigma * np.einsum("kcn,lcn->kln", E.conj(), E)).transpose(2, 0, 1)[inside]
    vops = (sigma * np.einsum("kcn,lcn->kln", E, E.conj())).transpose(2, 0, 1)[inside]
    own = em.q_matrices(fields, ball, "mid-ordinate")
    order = np.argsort(np.ravel_multi_index(np.unravel_index(own.voxel, ball.grid.shape), ball.grid.shape, order="F"))
    drive = np.array([1, 1j, -0.5])
    for matrices, made_by in ((q, "compQMatrix"), (vops, "compVOP")):
        found = em.io.from_cosimpy_matrices(matrices, rho[inside], made_by)
        np.testing.assert_allclose(found, own.matrices[order], rtol=0, atol=1e-5 * np.abs(found).max())
        wrong = np.einsum("k,nkl,l->n", drive.conj(), found.conj(), drive).real
        right = np.einsum("k,nkl,l->n", drive.conj(), found, drive).real
        assert np.abs(wrong / right - 1).max() > 0.1
    for match, arguments in (
        ("unknown method", (q, 1000.0, "compPower")),
        ("not Hermitian", (1j * q, 1000.0, "compVOP")),
        ("not square", (q[:, :2], 1000.0, "compVOP")),
        ("bad density", (q, 0.0, "compVOP")),
        ("not one density", (q, [1000.0, 1000.0], "compVOP")),
    ):
        with pytest.raises(em.InputError, match=match):
            em.io.from_cosimpy_matrices(*arguments)  # type: ignore[arg-type]


def test_cosimpy_itself() -> None:
    cosimpy = pytest.importorskip("cosimpy")
    fields, ball, network = per_volt()
    made, s = em.to_cosimpy(fields, ball, network)
    assert isinstance(made, cosimpy.EM_Field)
    read = em.from_cosimpy(made, 5e-3, s_matrix=s)
    expected = em.point_sar(fields.drive(np.array([20.0, 0, 0])), ball, "mid-ordinate").value
    found = em.audit(read, amplitude="rms", drive="sqrt(W)").sar([1, 0, 0]).value
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * expected.max())


def test_a_file_of_cosimpy_needs_the_length_of_a_voxel(tmp_path: Path) -> None:
    s = solution(2)
    path = write_cosimpy(tmp_path / "f", s.scaled(0.5**0.5))
    found = em.audit(path, frequency_Hz=FREQUENCY, touchstone=write_s(tmp_path, s))
    assert "length" in found.open
    assert found["length"].evidence[0].numbers["metres"] == pytest.approx(5e-3, rel=5e-3)
    found = em.audit(path, frequency_Hz=FREQUENCY, touchstone=write_s(tmp_path, s), length=5e-3)
    assert found.open == found.contradicted == ()


def test_power_of_the_ports_by_every_kind_of_drive() -> None:
    """Oracle: power waves, a = V+ / sqrt(z0), P = abs(a)^2 / 2; and Re(Z) / 2 of a current."""
    network = em.Network.from_z(np.array([1e8]), np.array([[[30 + 5j]]]), ["a"], 75.0)
    s = network.s[0, 0, 0]
    found = {k: float(v[0, 0].real) for k, v in accepted_power(network).items()}
    watt = 1 - abs(s) ** 2
    assert found == pytest.approx(
        {
            "sqrt(W)": watt,
            "sqrt(W) peak": watt / 2,
            "V incident": watt / 150,
            "V incident rms": watt / 75,
            "V source": watt / 600,
            "V source rms": watt / 300,
            "A": 15.0,
            "A rms": 30.0,
        }
    )


def test_page_and_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    s: Solution = solution(2)
    (tmp_path / "cst").mkdir()
    files = [*write_cst(tmp_path / "cst", s.changed(conjugated=True).in_unit(1e-3)), write_s(tmp_path / "cst", s)]
    body = tmp_path / "body.h5"
    whole = em.audit(write_plain(tmp_path / "plain.h5", s), touchstone=files[-1])
    em.write_phantom(whole.body(), body)
    arguments = ["audit", *map(str, files), "--body", str(body), "--weights", "1 1j", "--out", str(tmp_path / "out")]
    code, out, err = call(capsys, *arguments)
    assert code == 1, err  # something is not what it is said to be
    assert "time: exp(-jwt) (contradicted" in out
    told = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert told["audit"]["contradicted"] == ["time"]
    assert told["quantities"]["peak_10g_sar, worst drive"]["value"] > 0
    assert told["checks"]
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "the data say exp(-jwt)" in page
    assert "Values beside their limits" in page
    assert 'src="http' not in page
    code, out, err = call(capsys, "audit", str(tmp_path / "cst"), "--time", "sideways")
    assert code == 2
    assert err.count("\n") == 1
    assert "unknown time" in err


def made_up_powers(n: int = 3) -> tuple[np.ndarray, em.Network]:
    """Powers of the body that are all that the ports of a made-up network accept, with phases between ports."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
    power = a @ a.conj().T + np.diag(np.arange(n))
    power *= 0.9 / np.linalg.eigvalsh(power)[-1]
    values, vectors = np.linalg.eigh(np.eye(n) - power)
    s = (vectors * np.sqrt(values)) @ vectors.conj().T
    return power, em.Network(np.array([1e8]), s[None], tuple("abcdef"[:n]))


def test_powers_of_pairs_of_ports_tell_sense_and_order() -> None:
    power, network = made_up_powers()
    assert sense_of_powers(power, network)[0] == 1
    assert sense_of_powers(power.conj(), network)[0] == -1
    assert sense_of_powers(power.real + 0j, network)[0] is None
    assert order_of_ports(power, network) is None
    order = (2, 0, 1)
    found = order_of_ports(power[np.ix_(order, order)], network)
    assert found is not None
    np.testing.assert_array_equal(np.array(order)[list(found)], range(3))


def test_a_share_may_be_a_loss_or_another_convention() -> None:
    power, network = made_up_powers()
    stated: dict[str, tuple[str, str]] = {}
    for factor, efficiency, expected in (
        (1.0, None, ("peak", "sqrt(W)")),  # everything else would need more than there is
        (0.5, None, (None, None)),  # half may be lost, or it is rms
        (0.5, (0.4, 0.6), ("peak", "sqrt(W)")),
        (0.5, (0.9, 1.0), ("peak", "sqrt(W) peak")),
        (0.01, (0.9, 1.0), ("peak", "V incident")),
        (0.02, (0.9, 1.0), ("peak", "V incident rms")),
        (0.0025, (0.9, 1.0), ("peak", "V source")),
    ):
        found, _ = normalisation(factor * power, network, stated, efficiency)
        assert (found["amplitude"].value, found["drive"].value) == expected
    found, _ = normalisation(
        0.5 * power, network, {"amplitude": ("rms", "the file"), "drive": ("sqrt(W)", "the file")}, None
    )
    assert {f.state for f in found.values()} == {"confirmed"}
    found, _ = normalisation(
        3 * power, network, {"amplitude": ("peak", "the file"), "drive": ("sqrt(W)", "the file")}, None
    )
    assert {f.state for f in found.values()} == {"contradicted"}
    assert {f.value for f in found.values()} == {None}
    found, _ = normalisation(np.diag([1.0, 0, 0]) + 0j, network, stated, None)
    assert "their order" in found["drive"].evidence[0].sentence
