"""Arrays of equal elements and the drives that follow from where their ports are."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_grid.coil_raster import rasterise
from emdose.solvers.yee_grid.incident import field_at


def loop_at(angle_deg, radius=0.12):
    a = np.radians(angle_deg)
    out = np.array([np.cos(a), np.sin(a), 0.0])
    return em.Loop(0.04, centre_m=radius * out, normal=out)


def test_turned_loops_are_the_loop_array():
    """Oracle: em.LoopArray: its filaments, its ports and its drives."""
    one = em.LoopArray(1, radius_m=0.14, length_m=0.16, coverage=0.45)
    array, ready = em.array_of(one, 8), em.LoopArray(8, radius_m=0.14, length_m=0.16, coverage=0.9)
    np.testing.assert_allclose(array.segments, ready.segments, atol=1e-15)
    np.testing.assert_array_equal(array.currents, ready.currents)
    assert array.ports == ready.ports
    for name, weights in ready.drives.items():
        np.testing.assert_allclose(array.drives[name], weights, atol=1e-12)
    assert array.with_shield(em.Shield(0.2, 0.24)).shield.radius_m == 0.2


def test_circular_adds_b1plus_whatever_the_winding():
    """Oracle: in the centre, quasi-static, B1+ of the circular drive is the sum of the ports' magnitudes."""
    loops = [loop_at(a) for a in (10, 100, 190, 280)]
    segments = np.concatenate([loop.segments for loop in loops])
    currents = np.kron(np.diag([1, -1, 1, 1]), np.ones(len(loops[0].segments)))  # the second is wound the other way
    coil = em.models.coils.Coil("four", segments, currents, list("abcd"), {})
    from emdose.models.coils.paths.named_drives import moments, named_drives

    drives = named_drives(moments(coil.segments, coil.currents))
    B = field_at(coil, np.zeros((1, 3)), 1e6)[1][:, 0]
    plus, minus = 0.5 * (B[:, 0] + 1j * B[:, 1]), 0.5 * (B[:, 0] - 1j * B[:, 1])
    assert abs(drives["circular"] @ plus) == pytest.approx(np.abs(plus).sum(), rel=1e-6)
    assert abs(drives["anti-circular"] @ minus) == pytest.approx(np.abs(minus).sum(), rel=1e-6)
    assert abs(drives["circular"] @ minus) < 1e-6 * np.abs(minus).sum()


def test_a_birdcage_gets_its_quadrature_and_a_plane_of_loops_none():
    """Oracles: (1, -j) up to a phase; loops side by side turn no field."""
    from emdose.models.coils.paths.named_drives import moments, named_drives

    cage = em.Birdcage(8)
    found = named_drives(moments(cage.segments, cage.currents))["circular"]
    np.testing.assert_allclose(found / found[0], cage.drives["quadrature"], atol=1e-12)
    row = em.array_of(em.Loop(0.03), 4, angle_deg=0, shift_m=(0.08, 0, 0))
    assert list(row.drives) == ["uniform"]
    tilted = em.array_of(em.Loop(0.03, normal=(0, 1, 0)), 3, angle_deg=0, shift_m=(0.08, 0, 0))
    assert list(tilted.drives) == ["uniform"]


def test_metal_is_turned_with_its_elements():
    """Oracle: loops laid by hand at quarter turns: the same edges and gaps on a grid; drives of the loop array."""
    one = em.CapacitorLoop(size_m=(0.06, 0.06), capacitors=2, gap_m=0.01, centre_m=(0.08, 0, 0), normal=(1, 0, 0))
    array = em.array_of(one, 4)
    assert array.ports == ("feed 1", "feed 2", "feed 3", "feed 4")
    assert [e.name for e in array.elements[:3]] == ["C1 1", "C2 1", "C1 2"]
    grid = RectilinearGrid(*(np.arange(-0.1, 0.1001, 0.01) for _ in range(3)))
    raster = rasterise(array, grid)
    by_hand = np.zeros_like(raster.pec)
    for n in range(4):
        out = np.round([np.cos(n * np.pi / 2), np.sin(n * np.pi / 2), 0], 12)
        loop = em.CapacitorLoop(size_m=(0.06, 0.06), capacitors=2, gap_m=0.01, centre_m=0.08 * out, normal=out)
        by_hand |= rasterise(loop, grid).pec
    assert raster.pec.sum() == by_hand.sum()
    np.testing.assert_allclose(array.drives["circular"], (-1j) ** np.arange(4), atol=1e-12)
    solid = em.CircuitCoil(
        "s", [*one.conductors, em.conductors.solid_box((0.05, 0, 0), (0.02, 0.02, 0.04))], one.elements, one.feeds
    )
    turned = em.array_of(solid, 4).conductors[3]
    assert turned.inside(np.array(0.0), np.array(0.05), np.array(0.0))
    np.testing.assert_allclose(turned.low_m, (-0.01, 0.04, -0.02), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: em.array_of(em.PlaneWave(), 4), "no coil that can be repeated"),
        (lambda: em.array_of(em.CurrentElement(0.02, centre_m=(0.1, 0, 0)), 4), "holds charge"),
        (lambda: em.array_of(em.Birdcage(shield_radius_m=0.2), 4), "a shield of its own"),
        (lambda: em.array_of(loop_at(0), 1), "count"),
        (lambda: em.array_of(loop_at(0), 4, angle_deg=360), "elements 1 and 2 of 4 lie on each other"),
        (lambda: em.array_of(em.Loop(0.04), 4), "lie on each other"),
        (lambda: em.array_of(loop_at(0), 4, axis="w"), "axis"),
        (
            lambda: em.array_of(em.CapacitorLoop(size_m=(0.1, 0.1), centre_m=(0.05, 0, 0), normal=(1, 0, 0)), 4),
            "elements 1 and 2 of 4 touch",
        ),
    ],
)
def test_what_is_no_array_is_refused(make, said):
    """Oracle: the contract."""
    with pytest.raises(InputError, match=said):
        make()
