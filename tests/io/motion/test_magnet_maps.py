"""Maps of a magnet's field and files of poses: what is read is what was written, and bad files end in one line."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.models.induction.magnet_map import MappedMagnet
from emdose.models.induction.magnets import Cryostat


@pytest.fixture(scope="module")
def magnet():
    return em.scanner_magnet(3.0)


@pytest.fixture(scope="module")
def mapped(magnet):
    """Beyond the end of the bore, on a grid of 4 cm."""
    return map_of(magnet, np.arange(0, 1.01, 0.04), np.arange(0.9, 2.5, 0.04))


def map_of(magnet, r, z, scale=1.0, **options):
    places = np.stack(np.meshgrid(r, [0.0], z, indexing="ij"), axis=-1).reshape(-1, 3)
    B = scale * magnet.field(places).reshape(len(r), len(z), 3)
    return MappedMagnet("measured", r, z, B[..., 0], B[..., 2], **options)


def written(path, mapped, scale=1.0, head="r [m], z [m], Br [T], Bz [T]"):
    rows = [
        f"{r:.4f}, {z:.4f}, {scale * mapped.Br_T[i, k]:.8e}, {scale * mapped.Bz_T[i, k]:.8e}"
        for i, r in enumerate(mapped.r_m)
        for k, z in enumerate(mapped.z_m)
    ]
    path.write_text("\n".join(["# a map", head, *rows]), encoding="utf-8")
    return path


def test_a_map_is_the_field_between_its_lines(magnet, mapped):
    """Oracle: the magnet that the map was taken of; curl and divergence near zero."""
    rng = np.random.default_rng(0)
    places = rng.uniform([-0.6, -0.6, 1.0], [0.6, 0.6, 2.3], (200, 3))
    np.testing.assert_allclose(mapped.field(places), magnet.field(places), atol=5e-4)
    exact = magnet.gradient(places)
    assert np.abs(mapped.gradient(places) - exact).max() < 0.01 * np.abs(exact).max()
    assert mapped.inconsistency < 0.01
    np.testing.assert_allclose(mapped.field(np.array([[0, 0, 1.5]])), magnet.field(np.array([[0, 0, 1.5]])), atol=1e-4)


def test_an_inconsistent_map_says_so(magnet):
    """Oracle: 1 % of noise on every value is tens of per cent of a gradient over 4 cm."""
    clean = map_of(magnet, np.arange(0, 1.01, 0.04), np.arange(0.9, 2.5, 0.04))
    noise = 1 + 0.05 * np.random.default_rng(1).normal(size=clean.Bz_T.shape)
    noisy = MappedMagnet("noisy", clean.r_m, clean.z_m, clean.Br_T, clean.Bz_T * noise)
    assert noisy.inconsistency > 5 * clean.inconsistency


def test_half_a_map_is_mirrored(magnet):
    """Oracle: the symmetry of the magnet: B_r odd, B_z even along the axis."""
    half = map_of(magnet, np.arange(0, 0.26, 0.025), np.arange(0, 0.6, 0.025))
    places = np.array([[0.1, 0.05, 0.3], [0.1, 0.05, -0.3]])
    np.testing.assert_allclose(half.field(places), magnet.field(places), atol=2e-3)


def test_what_it_does_not_cover_is_refused(mapped):
    with pytest.raises(InputError, match=r"does not cover a nurse.*r 0\.00 m, z 3\.00 m"):
        mapped.require_room(np.array([[0, 0, 1.2], [0, 0, 3.0]]), "a nurse")
    with pytest.raises(InputError, match="does not cover the body"):
        mapped.field(np.array([[1.2, 0, 1.5]]))
    body = em.phantoms.gel_box(0.1, (0.4, 0.2, 1.6))
    with pytest.raises(InputError, match="does not cover 'walking past the magnet' at"):
        em.Moving().solve(
            body, mapped, em.movements.walk_past(body, 1.4, 2.0, samples=20), device="cpu", progress=False
        )


def test_a_body_walks_through_a_map_as_past_the_magnet(magnet):
    """Oracle: the magnet itself; 1 % of the peak."""
    body = em.phantoms.gel_box(0.08, (0.4, 0.24, 1.6))
    walk = em.movements.walk_up(body, 2.0, 1.3, samples=30)
    wide = map_of(magnet, np.arange(0, 1.41, 0.05), np.arange(0.9, 2.7, 0.05))
    quiet = {"device": "cpu", "progress": False}
    a, b = (em.Moving().solve(body, m, walk, **quiet).along(walk) for m in (wide, magnet))
    np.testing.assert_allclose(a.size_E, b.size_E, atol=0.01 * b.peak_E)


def test_files_of_maps(tmp_path, mapped):
    """Oracle: what was written, also in millitesla and millimetres."""
    got = em.read_magnet_map(written(tmp_path / "map.csv", mapped), Cryostat(0.3, 1.0, 1.6))
    np.testing.assert_allclose(got.Bz_T, mapped.Bz_T, rtol=1e-7)
    assert got.cryostat is not None
    other = em.read_magnet_map(written(tmp_path / "mT.csv", mapped, 1e3, "r [m], z [m], Br [mT], Bz [mT]"))
    np.testing.assert_allclose(other.Br_T, mapped.Br_T, atol=1e-9)


@pytest.mark.parametrize(
    ("head", "scale", "match"),
    [
        ("r [m], z [m], Br [T], Bz [T]", 1e5, "fields are in T, not mT"),
        ("r [m], z [m], Br, Bz [T]", 1.0, "column without a unit"),
        ("r [m], z [m], Br [kG], Bz [T]", 1.0, "unknown unit"),
        ("r [m], z [m], Br [T], B [T]", 1.0, "a column is missing.*Bz"),
        ("a, b, c, d", 1.0, "no known column"),
    ],
)
def test_bad_maps_end_in_one_line(tmp_path, mapped, head, scale, match):
    with pytest.raises(InputError, match=match) as caught:
        em.read_magnet_map(written(tmp_path / "map.csv", mapped, scale, head))
    assert "map.csv" in str(caught.value)


def test_maps_with_holes_and_words_end_in_one_line(tmp_path, mapped):
    path = written(tmp_path / "map.csv", mapped)
    text = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(text[:-1]), encoding="utf-8")
    with pytest.raises(InputError, match="no full grid"):
        em.read_magnet_map(path)
    path.write_text("\n".join([*text[:-1], "1, 2, three, 4"]), encoding="utf-8")
    with pytest.raises(InputError, match=r"not a row of numbers.*line 1068|not a row of numbers"):
        em.read_magnet_map(path)
    path.write_text("r [m]", encoding="utf-8")
    with pytest.raises(InputError, match="no table"):
        em.read_magnet_map(path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"r_m": np.arange(0.1, 0.5, 0.1)}, "leaves out the axis"),
        ({"z_m": np.array([0.0, 2, 1, 3])}, "lines of a field map"),
        ({"Br_T": np.zeros((3, 3))}, "bad field map"),
        ({"Bz_T": np.zeros((4, 4))}, "map of zeros"),
    ],
)
def test_bad_grids_are_refused(changes, match):
    good = {
        "name": "m",
        "r_m": np.arange(0, 0.4, 0.1),
        "z_m": np.arange(1.0, 5),
        "Br_T": np.zeros((4, 4)),
        "Bz_T": np.ones((4, 4)),
    }
    with pytest.raises(InputError, match=match):
        MappedMagnet(**{**good, **changes})


def test_files_of_poses(tmp_path):
    """Oracle: the trajectory that was written, by angles in degrees and by quaternions."""
    from scipy.spatial.transform import Rotation

    t = np.linspace(0, 2, 21)
    turns = np.stack([0.2 * np.sin(t), 0.3 * t, 0 * t], axis=1)
    places = np.stack([0.1 * t, 0 * t, 1.5 - 0.1 * t], axis=1)
    degrees = np.degrees(turns)
    rows = [",".join(f"{v:.9g}" for v in (a, *1e3 * p, *d)) for a, p, d in zip(t, places, degrees, strict=True)]
    (tmp_path / "a.csv").write_text(
        "\n".join(["t [s],x [mm],y [mm],z [mm],rx [deg],ry [deg],rz [deg]", *rows]), encoding="utf-8"
    )
    q = Rotation.from_rotvec(turns).as_quat()
    rows = [";".join(f"{v:.9g}" for v in (a, *p, *d)) for a, p, d in zip(t, places, q, strict=True)]
    (tmp_path / "b.csv").write_text("\n".join(["t [s];x [m];y [m];z [m];qx;qy;qz;qw", *rows]), encoding="utf-8")
    for name in ("a.csv", "b.csv"):
        got = em.read_poses(tmp_path / name, (0, 0, 0.1))
        np.testing.assert_allclose(got.positions_m, places, atol=1e-9)
        np.testing.assert_allclose(got.turns_rad, turns, atol=1e-7)
        assert got.source.endswith(name)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("t [s],x [m],y [m],z\n0,0,0,1\n1,0,0,1", "column without a unit"),
        ("t [s],x [m],y [m]\n0,0,0\n1,0,0", "a column is missing"),
        ("t [s],x [m],y [m],z [m],qx,qy,qz,qw\n0,0,0,1,0,0,0,2\n1,0,0,1,0,0,0,1", "not of length one"),
        (
            "t [s],x [m],y [m],z [m],qx,qy,qz,qw,rx [rad],ry [rad],rz [rad]\n" + 2 * "0,0,0,1,0,0,0,1,0,0,0\n",
            "both a rotation",
        ),
        ("t [s],x [m],y [m],z [m]\n0,0,0,1000\n1,0,0,2000", "in m, not mm"),
        ("t [s],x [m],y [m],z [m],rx [rad],ry [rad],rz [rad]\n0,0,0,1,0,0,0\n1,0,0,1,0,45,0", "rad, not degrees"),
        (
            "t [s],x [m],y [m],z [m],rx [rad],ry [rad],rz [rad]\n"
            + "".join(f"{0.1 * n},0,0,2,0,{0.3 * math.sin(2.8 * n)},0\n" for n in range(30)),
            "poses too far apart in time",
        ),
    ],
)
def test_bad_files_of_poses_end_in_one_line(tmp_path, text, match):
    path = tmp_path / "poses.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=match) as caught:
        em.read_poses(path)
    assert "poses.csv" in str(caught.value)
