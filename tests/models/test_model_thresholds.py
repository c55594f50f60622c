"""From where on models refuse or doubt: each limit just below and just above. Oracle of every test: the stated rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial import Delaunay

import emdose as em
from emdose.errors import EmdoseWarning, InputError
from emdose.models.bodies import gel_box, tissues
from emdose.models.coils.conductors import FeedPort, Wire
from emdose.models.exposure import Exposure
from emdose.models.gradients.waveform import Waveform
from emdose.models.implants.implant import Implant, Part, assembly
from emdose.models.implants.metals import Metal
from emdose.models.implants.surface_repair import closed_surface
from emdose.models.implants.voxels import embed, voxelise


def said(call: Callable[[], object]) -> list[str]:
    """Texts of the warnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught if issubclass(w.category, EmdoseWarning)]


BOX = em.implants.box((0.004, 0.004, 0.004))


@pytest.mark.parametrize(("share", "refused"), [(0.0045, False), (0.0055, True)])
def test_parts_may_share_half_a_percent_of_the_smaller(share: float, refused: bool) -> None:
    """Two cubes of 4 mm, one pushed into the other; the second one twice as long does not make it less."""
    long = em.implants.box((0.004, 0.004, 0.008)).moved((0, 0, 0.006 - share * 0.004))
    both = assembly("pair", BOX, long)
    if refused:
        with pytest.raises(InputError, match="overlap"):
            voxelise(both, 1e-3)
    else:
        assert voxelise(both, 1e-3).volume_m3 == pytest.approx((3 - share) * 64e-9, rel=1e-5)


@pytest.mark.parametrize(("share", "refused"), [(0.0045, False), (0.0055, True)])
def test_a_surface_may_cover_half_a_percent_of_itself_twice(share: float, refused: bool) -> None:
    part = BOX.parts[0]
    pushed = part.vertices + np.array([0, 0, 0.004 * (1 - 2 * share)])
    faces = np.concatenate([part.triangles, part.triangles + len(part.vertices)])
    twice = Implant("t", (Part("twice", np.concatenate([part.vertices, pushed]), faces, "gold"),))
    if refused:
        with pytest.raises(InputError, match="covers a part of space twice"):
            voxelise(twice, 1e-3, check_walls=False)
    else:
        voxelise(twice, 1e-3, check_walls=False)


@pytest.mark.parametrize(("share", "refused"), [(0.009, False), (0.011, True)])
def test_one_percent_of_an_implant_may_lie_in_air(share: float, refused: bool) -> None:
    """A rod of 20 mm that sticks out of a box of gel."""
    phantom = gel_box(2e-3, (0.06, 0.04, 0.04)).pad(3)
    rod = em.implants.box((0.02, 0.006, 0.006)).moved((0.03 - 0.01 + share * 0.02, 0, 0))
    if refused:
        with pytest.raises(InputError, match="of its volume in air"):
            embed(rod, phantom)
    else:
        assert embed(rod, phantom).fraction.sum() * 8e-9 == pytest.approx(20e-3 * 36e-6, rel=1e-5)


@pytest.mark.parametrize(
    ("voxels", "verdict"), [(0.97, "refused"), (0.99, "doubted"), (1.95, "doubted"), (1.97, "taken")]
)
def test_walls_take_one_voxel_at_least_and_two_to_be_good(voxels: float, verdict: str) -> None:
    """A plate of 1 mm; 2 % less is let pass, because facets are not exact."""
    plate, step = em.implants.box((0.03, 0.03, 0.001)), (1e-3, 1e-3, 1e-3 / voxels)
    if verdict == "refused":
        with pytest.raises(InputError, match="thinnest wall"):
            voxelise(plate, step)
    else:
        texts = said(lambda: voxelise(plate, step))
        assert len(texts) == (verdict == "doubted")
        assert not texts or "voxels across its thinnest wall of 1 mm" in texts[0]


@pytest.mark.parametrize(("share", "refused"), [(0.048, False), (0.052, True)])
def test_holes_are_filled_to_a_twentieth_of_the_size(share: float, refused: bool) -> None:
    """A cube of unit edges whose lid lacks a triangle of that extent."""
    rim = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    hole = 0.5 + share * np.array([[-0.5, 0], [0.5, 0], [0, 0.6]])
    lid = Delaunay(np.concatenate([rim, hole])).simplices
    lid = lid[[set(t) != {4, 5, 6} for t in lid]]
    vertices = np.concatenate([np.c_[rim, [0] * 4], np.c_[rim, [1] * 4], np.c_[hole, [1] * 3]])
    walls = [[a, b, b + 4] for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))]
    walls += [[a, b + 4, a + 4] for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))]
    faces = np.concatenate([lid + 4, walls, [[0, 2, 1], [0, 3, 2]]])
    if refused:
        with pytest.raises(InputError, match="surface is open"):
            closed_surface(vertices, faces)
    else:
        closed = closed_surface(vertices, faces)
        a, b, c = closed.vertices[closed.triangles].transpose(1, 0, 2)
        assert np.einsum("ti,ti->", a, np.cross(b, c)) / 6 == pytest.approx(1.0)


@pytest.mark.parametrize(("sigma", "refused"), [(999.0, True), (1001.0, False)])
def test_a_metal_conducts_at_least_a_thousand_siemens_per_metre(sigma: float, refused: bool) -> None:
    if refused:
        with pytest.raises(InputError, match="does not conduct like a metal"):
            Metal("salt", sigma, 7800, 500, 20, 1.0)
    else:
        assert Metal("poor", sigma, 7800, 500, 20, 1.0).conductivity_S_m == sigma


@pytest.mark.parametrize(
    ("frequency_Hz", "text"),
    [
        (9.9, "valid from 10 Hz to"),
        (10.1, "poor below"),
        (0.99e6, "poor below"),
        (1.01e6, ""),
        (99e9, ""),
        (101e9, "valid from 10 Hz to"),
    ],
)
def test_validity_of_tissue_data(frequency_Hz: float, text: str) -> None:
    texts = said(lambda: tissues.get("muscle").conductivity(frequency_Hz))
    assert len(texts) == bool(text)
    assert all(text in t for t in texts)


@pytest.mark.parametrize("frequency_Hz", [0.99e3, 1.01e3, 0.99e11, 1.01e11])
def test_frequencies_of_an_exposure(frequency_Hz: float) -> None:
    body = gel_box(1e-2, (0.04, 0.04, 0.04))
    if 1e3 <= frequency_Hz <= 1e11:
        assert Exposure(body, em.PlaneWave(), frequency_Hz).frequency_Hz == frequency_Hz
    else:
        with pytest.raises(InputError, match="frequency out of range"):
            Exposure(body, em.PlaneWave(), frequency_Hz)


@pytest.mark.parametrize(("mean", "refused"), [(0.9e-3, False), (1.1e-3, True)])
def test_mean_rate_of_a_waveform(mean: float, refused: bool) -> None:
    """Rates of +1 and -1 plus a mean: what is above a thousandth of the rms is no rounding."""
    times, rate = np.array([0.0, 1e-3, 2e-3]), np.array([[1.0], [-1.0]]) + mean
    if refused:
        with pytest.raises(InputError, match="non-zero mean"):
            Waveform("square", times, rate, rate, "T")
    else:
        assert Waveform("square", times, rate, rate, "T").mean[0] == pytest.approx(mean)


def _beside(gap_m: float) -> list[em.Coil | em.CircuitCoil]:
    """An ideal loop and a wire of a circuit, both beside the face x = 20 mm of a box, at a distance."""
    x = 0.02 + gap_m
    corners = [(x, 0, 0.01), (x, 0.01, 0.01), (x, 0.01, -0.01), (x, -0.01, -0.01), (x, -0.01, 0.01), (x, 0, 0.01)]
    feed = FeedPort("feed", (x, -0.0025, -0.01), (x, 0.0025, -0.01))
    return [
        em.Loop(0.01, centre_m=(x, 0, 0), normal=(1, 0, 0)),
        em.CircuitCoil("square", [Wire(corners, 1e-4)], [], [feed]),
    ]


@pytest.mark.parametrize(("cells", "doubted"), [(0.9, True), (1.1, False)])
def test_conductors_within_a_voxel_of_the_body_are_doubted(cells: float, doubted: bool) -> None:
    body = gel_box(5e-3, (0.04, 0.04, 0.04))
    for coil in _beside(cells * 5e-3):
        texts = said(lambda coil=coil: coil.check_clear_of(body))
        assert any("closer to the body than one voxel" in t for t in texts) == doubted
