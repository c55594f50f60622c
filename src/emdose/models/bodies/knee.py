"""The knee: a leg from mid-thigh to mid-calf of stylised solids, for local coils."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from emdose.checks import one_of, within
from emdose.models.bodies import shares
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.solids import TissueSolid, ellipsoid, elliptic_cylinder, grid_around, rasterise

SOURCE = (
    "stylised solids; breadth and depth of femur and tibia: means of men and women of MRI of 200 knees, J. Orthop. "
    "Surg. Res. (2021), doi 10.1186/s13018-021-02708-8, abstract; breadth over depth 1.8 and cartilage 4.1 mm of the "
    "patella: 43 MRI scans, 'How thick is the patella?' (2018), abstract; all other dimensions assumed"
)
HALF_LENGTH = 200.0  # the leg is cut there [mm]
OUTLINE = ((-200.0, 56.0), (-120.0, 59.0), (-40.0, 56.0), (60.0, 60.0), (200.0, 80.0))
"""Height over the joint and radius of the skin [mm]: girths of 37 cm of calf, 35 cm of knee and 50 cm of thigh."""
SKIN, FAT = 2.0, 6.0  # [mm]
CORTEX = 2.0  # of the ends of the bones [mm]

CONDYLES, CONDYLES_AT = (35.5, 29.0, 25.0), (0.0, -2.0, 27.0)  # 71 mm wide, 58 mm deep
FEMUR_CARTILAGE = 2.5
FEMUR_SHAFT, FEMUR_MARROW = 14.0, 7.0
FLARE = ((40.0, 27.0), (110.0, FEMUR_SHAFT))
PLATEAU, PLATEAU_AT = (35.8, 22.05), (0.0, -2.0)  # 71.6 mm wide, 44.1 mm deep
TIBIA_TOP, TIBIA_WAIST, TIBIA_SHAFT, TIBIA_MARROW = -5.0, -75.0, 13.0, 6.0
TIBIA_CARTILAGE, MENISCUS = 3.0, 8.0
FIBULA_AT, FIBULA, FIBULA_MARROW, FIBULA_TOP = (33.0, -20.0), 6.0, 2.5, -20.0
PATELLA, PATELLA_AT, PATELLA_CARTILAGE = (21.5, 12.0, 21.5), (0.0, 42.0, 22.0), 4.1
PATELLA_CORE, PATELLA_CORE_AT = (19.5, 8.0, 19.5), (0.0, 43.5, 22.0)

VOLUMES_ML = {
    "skin": 306.6,
    "fat": 897.2,
    "muscle": 3178.0,
    "tendon": 19.04,
    "meniscus": 14.53,
    "cartilage": 24.21,
    "bone_cortical": 175.75,
    "bone_cancellous": 243.9,
    "bone_marrow_yellow": 29.99,
}
"""Volume of every tissue [ml], from points half a millimetre apart; voxels of any size hold as much."""


def knee(spacing_m: float = 3e-3, *, side: str = "right", scale: float = 1.0) -> Phantom:
    """An adult knee: 40 cm of a leg, the joint at the isocentre, the foot towards -z.

    Femur and tibia with cortical walls around cancellous ends and yellow marrow, fibula, patella, cartilage, menisci,
    the tendon of the quadriceps and the patellar ligament, the fat pads in front of and behind the joint, muscle, fat
    and skin; no cruciate ligaments, vessels or nerves. Every tissue has the same mass on voxels of any size. All of it
    is a region "extremities", for the local limits of arms and legs; the cuts through thigh and calf are flat.

    Parameters
    ----------
    spacing_m : float
        Edge of the cubic voxels [m], 1 to 10 mm.
    side : "right" or "left"
        Which knee; the fibula is on its outer side.
    scale : float
        Factor on all dimensions, 0.5 to 1.5.

    Raises
    ------
    InputError
        For a spacing, side or factor out of range.

    Source: J. Orthop. Surg. Res. (2021), doi 10.1186/s13018-021-02708-8, abstract (femur and tibia); "How thick is the
    patella?" (2018), abstract; the other dimensions are assumed.
    """
    within("spacing_m", spacing_m, 1e-3, 10e-3)
    one_of("side", side, ("right", "left"), problem="unknown side")
    within("scale", scale, 0.5, 1.5)
    outward = 1.0 if side == "right" else -1.0
    solids = [_in_metres(s, 1e-3 * scale) for s in _solids(outward)]
    volumes = {name: 1e-6 * scale**3 * v for name, v in VOLUMES_ML.items()}
    samples = 1 if spacing_m < shares.FINE_M * (1 - 1e-9) else None
    grid = grid_around(solids, spacing_m)
    body = rasterise(solids, grid, samples=samples, volumes_m3=volumes, name=f"{side} knee", source=SOURCE)
    return body.with_regions(**{"extremities (leg with the knee)": body.body})


def _in_metres(solid: TissueSolid, unit_m: float) -> TissueSolid:
    inside = solid.inside
    low, high = (tuple(unit_m * c for c in corner) for corner in (solid.low_m, solid.high_m))
    return TissueSolid(solid.tissue, lambda x, y, z: inside(x / unit_m, y / unit_m, z / unit_m), low, high)  # type: ignore[arg-type]


def _solids(outward: float) -> Iterator[TissueSolid]:
    """All solids [mm], outermost first; the boxes ``low_m`` and ``high_m`` are in millimetres here."""
    for tissue, inset in (("skin", 0.0), ("fat", SKIN), ("muscle", SKIN + FAT)):
        yield from (_frustum(tissue, (0, 0), a, b, inset) for a, b in pairwise(OUTLINE))
    yield ellipsoid("fat", (0, -38, 5), (18, 10, 35))  # behind the joint
    yield ellipsoid("fat", (0, 34, -6), (20, 11, 17))  # of Hoffa
    yield _column("tendon", (0, 44), (18, 4), 43.5, 100)  # quadriceps
    yield _column("tendon", (0, 44.5), (13, 3), -50, 0.5)  # patellar ligament
    yield from _tibia()
    yield from _fibula(outward)
    yield from _femur()
    yield from _patella()


def _tibia() -> Iterator[TissueSolid]:
    top = TIBIA_TOP + TIBIA_CARTILAGE
    yield _column("meniscus", PLATEAU_AT, PLATEAU, top, top + MENISCUS)
    yield _column("cartilage", PLATEAU_AT, PLATEAU, TIBIA_TOP, top)
    yield _flare("bone_cortical", 0.0)
    yield _column("bone_cortical", PLATEAU_AT, (TIBIA_SHAFT, TIBIA_SHAFT), -HALF_LENGTH, TIBIA_WAIST)
    yield _flare("bone_cancellous", CORTEX)
    marrow = (TIBIA_MARROW, TIBIA_MARROW)
    yield _column("bone_marrow_yellow", PLATEAU_AT, marrow, -HALF_LENGTH, TIBIA_WAIST - 5)


def _fibula(outward: float) -> Iterator[TissueSolid]:
    at = (outward * FIBULA_AT[0], FIBULA_AT[1])
    yield _column("bone_cortical", at, (FIBULA, FIBULA), -HALF_LENGTH, FIBULA_TOP)
    yield _column("bone_marrow_yellow", at, (FIBULA_MARROW, FIBULA_MARROW), -HALF_LENGTH, FIBULA_TOP - 10)


def _femur() -> Iterator[TissueSolid]:
    x, y, z = CONDYLES
    lower = ellipsoid("cartilage", CONDYLES_AT, (x + FEMUR_CARTILAGE, y + FEMUR_CARTILAGE, z + FEMUR_CARTILAGE))
    yield _cut(lower, 2, high=CONDYLES_AT[2])
    yield ellipsoid("bone_cortical", CONDYLES_AT, CONDYLES)
    yield _frustum("bone_cortical", CONDYLES_AT, *FLARE, 0.0)
    yield _column("bone_cortical", CONDYLES_AT, (FEMUR_SHAFT, FEMUR_SHAFT), FLARE[1][0], HALF_LENGTH)
    yield ellipsoid("bone_cancellous", CONDYLES_AT, (x - CORTEX, y - CORTEX, z - CORTEX))
    yield _frustum("bone_cancellous", CONDYLES_AT, *FLARE, CORTEX)
    yield _column("bone_marrow_yellow", CONDYLES_AT, (FEMUR_MARROW, FEMUR_MARROW), FLARE[1][0] + 5, HALF_LENGTH)


def _patella() -> Iterator[TissueSolid]:
    yield ellipsoid("bone_cortical", PATELLA_AT, PATELLA)
    yield ellipsoid("bone_cancellous", PATELLA_CORE_AT, PATELLA_CORE)
    yield _cut(ellipsoid("cartilage", PATELLA_AT, PATELLA), 1, high=PATELLA_AT[1] - PATELLA[1] + PATELLA_CARTILAGE)


def _column(tissue: str, at: tuple[float, ...], semi: tuple[float, float], low: float, high: float) -> TissueSolid:
    return elliptic_cylinder(tissue, (at[0], at[1], 0.5 * (low + high)), (*semi, 0.5 * (high - low)))


def _frustum(
    tissue: str, at: tuple[float, ...], low: tuple[float, float], high: tuple[float, float], inset: float
) -> TissueSolid:
    """A round frustum along z between two pairs of height and radius, its wall moved inwards."""
    (z0, r0), (z1, r1) = low, high

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        r = r0 + (r1 - r0) * (z - z0) / (z1 - z0) - inset
        return ((x - at[0]) ** 2 + (y - at[1]) ** 2 <= r**2) & (z >= z0) & (z <= z1)

    r = max(r0, r1) - inset
    return TissueSolid(tissue, inside, (at[0] - r, at[1] - r, z0), (at[0] + r, at[1] + r, z1))


def _flare(tissue: str, wall: float) -> TissueSolid:
    """The upper end of the tibia: from an ellipse at the joint to the round shaft, within a wall."""
    (a, b), (x0, y0), top = PLATEAU, PLATEAU_AT, TIBIA_TOP - wall

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        t = (z - TIBIA_WAIST) / (TIBIA_TOP - TIBIA_WAIST)
        p, q = (TIBIA_SHAFT + (s - TIBIA_SHAFT) * t - wall for s in (a, b))
        return (((x - x0) / p) ** 2 + ((y - y0) / q) ** 2 <= 1) & (z >= TIBIA_WAIST) & (z <= top)

    return TissueSolid(tissue, inside, (x0 - a, y0 - b, TIBIA_WAIST), (x0 + a, y0 + b, top))


def _cut(solid: TissueSolid, axis: int, high: float) -> TissueSolid:
    """The part of a solid below a height along an axis."""
    inside, box = solid.inside, list(solid.high_m)
    box[axis] = high
    return TissueSolid(
        solid.tissue, lambda *at: inside(*at) & (at[axis] <= high), solid.low_m, (box[0], box[1], box[2])
    )
