"""The stylised adult: organs as ellipsoids, cylinders and cones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emdose import resources
from emdose.checks import one_of, within
from emdose.models.bodies import shares
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.solids import Inside, TissueSolid, grid_around, rasterise

SOURCE = (
    "stylised (MIRD) adult after M. Cristy, K. F. Eckerman, ORNL/TM-8381 (1987), size '15-year / adult female'; "
    "numbers as repeated in public transcriptions, see the table stylised_adult.csv"
)

TRUNK_A, TRUNK_B, TRUNK_C = 172.5, 98.0, 631.0  # half-axes and height of the trunk [mm]
HEAD_A, HEAD_B, HEAD_DOME, HEAD_CENTRE = 77.7, 97.6, 69.2, 794.0  # dome on an elliptic cylinder [mm]
LEG_LENGTH, LEG_APEX = 780.0, 1000.0  # the cones would meet their tip 1 m below the trunk [mm]
SKIN = 2.0  # [mm]

LANDMARKS_MM = {
    "head": 794.0,
    "neck": 640.0,
    "heart": 468.7,
    "liver": 315.5,
    "pelvis": 100.0,
    "thigh": -150.0,
    "knee": -400.0,
}
"""Height above the base of the trunk that can be put at the isocentre [mm]."""

VOLUMES_ML = {
    "skin": 2414.0,
    "bone_cortical": 2459.0,
    "skull": 545.0,
    "cerebrospinal_fluid": 392.2,
    "brain": 1354.0,
    "bone_cancellous": 818.5,
    "lung": 2449.0,
    "heart": 213.1,
    "blood": 155.5,
    "liver": 1464.0,
    "stomach": 300.4,
    "small_intestine": 814.2,
    "colon": 579.8,
    "kidney": 237.8,
    "adrenal_gland": 15.58,
    "spleen": 118.5,
    "pancreas": 61.41,
    "thymus": 25.29,
    "urinary_bladder": 34.52,
    "urine": 153.5,
    "uterus": 76.28,
    "ovary": 10.24,
    "thyroid": 11.97,
}
"""Volume of every tissue but muscle and fat [ml], from points a millimetre apart; voxels of any size hold as much."""

ABOVE_ML = {
    "skin": 267.0,
    "skull": 545.0,
    "cerebrospinal_fluid": 392.2,
    "brain": 1354.0,
    "bone_cancellous": 128.5,
    "thyroid": 11.97,
}
"""What of it lies above the shoulders, whose breadth does not follow the mass [ml]."""

STATURE_M = 1.647
"""Of the published body, with its skin [m]."""
HEAD_KG = 5.98
"""Mass of the published body above its shoulders, with fat [kg]."""
FAT_MM, BELOW_KG = (
    (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0),
    (56.096, 55.255, 54.438, 53.690, 53.010, 51.873, 51.041, 50.453),
)
"""Mass below them [kg] over the thickness of its fat: points 1.3 mm apart, densities of the built-in table."""
LEAST_BREADTH, MOST_BREADTH = 0.75, 1.6

Surface = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def stylised_adult(
    spacing_m: float = 5e-3,
    landmark: str = "heart",
    fat_m: float = 10e-3,
    *,
    mass_kg: float | None = None,
    stature_m: float | None = None,
) -> Phantom:
    """A whole adult, 1.64 m tall unless told otherwise, of about 30 organs given by quadratic surfaces.

    The arms lie inside the trunk, as in the published model. What the publication calls soft tissue is muscle here
    under a layer of fat; skin is the outermost 2 mm. Every tissue has the same mass on voxels of any size, so layers
    thinner than a voxel have gaps. Other adults are the same one stretched: all heights by the stature, the breadth
    and depth of trunk and legs by the mass, while the head keeps its own.

    Parameters
    ----------
    spacing_m : float
        Edge of the cubic voxels [m], 1 to 20 mm.
    landmark : str
        What lies at the isocentre: "head", "neck", "heart", "liver", "pelvis" or "knee".
    fat_m : float
        Thickness of the fat under the skin [m], 0 for the published body; emdose adds it because a trunk of muscle
        up to the skin absorbs differently.
    mass_kg : float, optional
        Mass of the body [kg]; without it, that of the published body's index (mass over the square of the stature).
    stature_m : float, optional
        Its height [m], 1.3 to 2.1 m; without it that of the published body.

    Raises
    ------
    InputError
        For a spacing, landmark or thickness out of range, or a mass that would stretch trunk and legs to less than
        0.75 or more than 1.6 of their breadth.

    Source: M. Cristy, K. F. Eckerman, ORNL/TM-8381 (1987).
    """
    within("spacing_m", spacing_m, 1e-3, 20e-3)
    one_of("landmark", landmark, LANDMARKS_MM, problem="unknown landmark")
    within("fat_m", fat_m, 0, 0.04)
    up = within("stature_m", STATURE_M if stature_m is None else stature_m, 1.3, 2.1) / STATURE_M
    wide = math.sqrt(up) if mass_kg is None else _breadth(mass_kg, up, 1e3 * float(fat_m))
    stretch = _Stretch(up, wide)
    solids = [_in_ras(s, LANDMARKS_MM[landmark], stretch) for s in _solids(1e3 * float(fat_m) / wide)]
    volumes = {name: 1e-6 * stretch.volume(v, ABOVE_ML.get(name, 0.0)) for name, v in VOLUMES_ML.items()}
    grid = grid_around(solids, spacing_m)
    samples = 1 if spacing_m < shares.FINE_M * (1 - 1e-9) else None
    phantom = rasterise(solids, grid, samples=samples, volumes_m3=volumes, name="stylised adult", source=SOURCE)
    z = phantom.grid.centres(2) * 1e3 / up + LANDMARKS_MM[landmark]
    body = phantom.body
    return phantom.with_regions(
        **{
            "head (whole head of the stylised adult)": body & (z > TRUNK_C),
            "head (crown to the lower edge of the facial skeleton)": body & (z > 690.0),
            "trunk": body & (z > 0) & (z <= TRUNK_C),
            "legs": body & (z <= 0),
        }
    )


@dataclass(frozen=True)
class _Stretch:
    """Factors on all heights, and on breadth and depth below the shoulders."""

    up: float
    wide: float

    def across(self, z: np.ndarray) -> np.ndarray:
        """Factor on breadth and depth at heights of the published body [mm]."""
        return np.where(z > TRUNK_C + SKIN, 1.0, self.wide)

    def box(self, low: float, high: float) -> float:
        """The largest of these factors between two heights."""
        return float(max(self.across(np.array([low, high]))))

    def volume(self, whole: float, above: float) -> float:
        """Volume of what has a volume, some of it above the shoulders, in the published body."""
        return self.up * (self.wide**2 * (whole - above) + above)


def _breadth(mass_kg: float, up: float, fat_mm: float) -> float:
    """Factor on breadth and depth of trunk and legs that gives a mass; fat keeps its thickness."""
    from scipy.optimize import brentq

    def excess(wide: float) -> float:
        return up * (wide**2 * float(np.interp(fat_mm / wide, FAT_MM, BELOW_KG)) + HEAD_KG) - mass_kg

    low, high = (excess(wide) + mass_kg for wide in (LEAST_BREADTH, MOST_BREADTH))
    within("mass_kg", mass_kg, low, high, expected=f"{low:.1f} to {high:.1f} kg at this stature")
    return float(brentq(excess, LEAST_BREADTH, MOST_BREADTH, xtol=1e-12))


def _in_ras(solid: TissueSolid, level: float, stretch: _Stretch) -> TissueSolid:
    """From millimetres, x left, y back, z from the base of the trunk, to metres, RAS+ about the landmark."""
    inside = solid.inside

    def turned(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        height = 1e3 * z / stretch.up + level
        across = stretch.across(height)
        return inside(-1e3 * x / across, -1e3 * y / across, height)

    (x0, y0, z0), (x1, y1, z1) = solid.low_m, solid.high_m
    across, up = stretch.box(z0, z1), stretch.up
    low = (-x1 * across * 1e-3, -y1 * across * 1e-3, (z0 - level) * up / 1e3)
    high = (-x0 * across * 1e-3, -y0 * across * 1e-3, (z1 - level) * up / 1e3)
    return TissueSolid(solid.tissue, turned, low, high)


def _solids(fat: float) -> Iterator[TissueSolid]:
    """All solids [mm], outermost first; the boxes ``low_m`` and ``high_m`` are in millimetres here."""
    for tissue, inset in (("skin", -SKIN), ("fat_infiltrated", 0.0), ("muscle", fat)):
        if tissue != "fat_infiltrated" or fat > 0:
            yield from _outline(tissue, inset)
    yield from _leg_and_arm_bones()
    rows = resources.csv_rows("stylised_adult.csv")
    for row in rows:
        if row["organ"] == "stomach":  # heart and liver lie over the lungs and under the organs that follow
            yield from _heart_and_liver()
        yield from _organ(row)
    yield from _sigmoid_colon()
    yield _clavicles()
    yield _thyroid()


def _outline(tissue: str, inset: float) -> Iterator[TissueSolid]:
    """Trunk, head and legs, each surface moved inwards by ``inset``."""
    a, b = TRUNK_A - inset, TRUNK_B - inset
    # The section under the trunk and over the shoulders is skin and fat too.
    bottom, top = min(inset, 0.0), TRUNK_C - inset
    yield _solid(tissue, _tube(0, 0, a, b, bottom, top), (-a, -b, bottom), (a, b, top))

    p, q, dome = HEAD_A - min(inset, 3.0), HEAD_B - min(inset, 3.0), HEAD_DOME - min(inset, 3.0)  # scalp: little fat
    low = TRUNK_C - max(inset, 0.0)

    def head(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        up = np.maximum(z - HEAD_CENTRE, 0.0) / dome
        return ((x / p) ** 2 + (y / q) ** 2 + up**2 <= 1) & (z >= low)

    yield _solid(tissue, head, (-p, -q, low), (p, q, HEAD_CENTRE + dome))

    def legs(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        r = 0.5 * TRUNK_A * (1 + z / LEG_APEX)
        return ((np.abs(x) - r) ** 2 + y**2 <= np.maximum(r - inset, 0.0) ** 2) & (z <= 0) & (z >= inset - LEG_LENGTH)

    yield _solid(tissue, legs, (-a, -a / 2, inset - LEG_LENGTH), (a, a / 2, 0.0))


def _leg_and_arm_bones() -> Iterator[TissueSolid]:
    def leg(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        centre = 0.5 * TRUNK_A * (1 + z / LEG_APEX)
        r = 20.0 + 10.0 * z / 760.0
        return ((np.abs(x) - centre) ** 2 + y**2 <= r**2) & (z <= 0) & (z >= -760.0)

    yield _solid("bone_cortical", leg, (-TRUNK_A, -20, -760), (TRUNK_A, 20, 0))

    def arm(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        size = 0.5 * (1 + z / 622.0)  # twice as thick at the shoulder as at the wrist
        return (((np.abs(x) - 158.7) / 12.1) ** 2 + (y / 26.5) ** 2 <= size**2) & (z >= 0) & (z <= 622)

    yield _solid("bone_cortical", arm, (-171, -27, 0), (171, 27, 622))


def _heart_and_liver() -> Iterator[TissueSolid]:
    # Half an ellipsoid towards the apex (down and to the left), half a sphere behind it.
    axis, centre = (
        np.array([math.sin(math.radians(25)), 0.0, -math.cos(math.radians(25))]),
        np.array([0.0, -30.0, 468.7]),
    )

    def heart(size: float) -> Inside:
        def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
            d = (x - centre[0], y - centre[1], z - centre[2])
            along = axis[0] * d[0] + axis[1] * d[1] + axis[2] * d[2]
            across = d[0] ** 2 + d[1] ** 2 + d[2] ** 2 - along**2
            long = np.where(along > 0, 70.0, 40.0)
            return across / 40.0**2 + (along / long) ** 2 <= size**2

        return inside

    low, high = (-60, -75, 390), (80, 15, 515)
    yield _solid("heart", heart(1.0), low, high)
    yield _solid("blood", heart(0.75), low, high)  # the chambers: about 40 % of the whole

    def liver(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        column = ((x / 141.9) ** 2 + (y / 82.0) ** 2 <= 1) & (z >= 243.4) & (z <= 387.6)
        return column & (x / 301.9 + y / 441.0 - z / 387.5 <= -1)

    yield _solid("liver", liver, (-142, -82, 243.4), (142, 82, 387.6))


def _sigmoid_colon() -> Iterator[TissueSolid]:
    for ring, height, outer in ((51.6, 78.8, True), (27.0, 0.0, False)):

        def inside(
            x: np.ndarray, y: np.ndarray, z: np.ndarray, R: float = ring, top: float = height, out: bool = outer
        ) -> np.ndarray:
            quarter = (x >= 27.0) & (z <= top) if out else (x <= 27.0) & (z >= top)
            return quarter & ((np.hypot(x - 27.0, z - top) - R) ** 2 + (y + 23.1) ** 2 <= 16.2**2) & (z >= 0)

        yield _solid("colon", inside, (-20, -40, 0), (96, -5, 80))


def _clavicles() -> TissueSolid:
    scale, front = 0.8625, 95.7  # adult numbers times the ratio of the trunks
    major, minor, height = 200.0 * scale, 7.883 * scale, 615.0

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        tube = (np.hypot(x, y - front) - major) ** 2 + (z - height) ** 2 <= minor**2
        forward = front - y
        return tube & (forward > 0) & (forward <= 7.0342 * np.abs(x)) & (forward >= 0.89415 * np.abs(x))

    return _solid("bone_cortical", inside, (-150, -90, height - 8), (150, 40, height + 8))


def _thyroid() -> TissueSolid:
    c, root2 = 42.0, math.sqrt(2.0)

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        v, t = y + 39.1, (z - TRUNK_C) / c
        slant = np.where(t <= 0.25, 1 + (root2 - 2) / 2 * t / 0.25, (2 * root2 - 1) / 3 + (2 - root2) / 2 * t / 0.75)
        r2 = x**2 + v**2
        lobes = (r2 <= 18.5**2) & (r2 >= 8.3**2) & (v <= 0) & (t >= 0) & (t <= 1)
        return lobes & ((v - np.abs(x)) ** 2 >= 2 * r2 * slant**2)

    return _solid("thyroid", inside, (-19, -60, TRUNK_C), (19, -39, TRUNK_C + c))


def _organ(row: dict[str, str]) -> Iterator[TissueSolid]:
    """The solids of one row of the table: one, or two mirror images."""
    v = {k: float(row[k]) if row[k] else math.nan for k in ("x", "y", "z", "a", "b", "c", "a_in", "b_in", "y_in")}
    limits = [(_or(row[f"{axis}min"], -1e6), _or(row[f"{axis}max"], 1e6)) for axis in "xyz"]
    tissue = row["tissue"]
    surface = _surface(row["kind"], row["organ"], v)
    size = {"ellipsoid": ("a", "b", "c"), "xtube": (None, "b", "c")}.get(row["kind"], ("a", "b", None))
    low, high = [], []
    for (lower, upper), centre, half in zip(limits, ("x", "y", "z"), size, strict=True):
        low.append(max(lower, v[centre] - v[half]) if half else lower)
        high.append(min(upper, v[centre] + v[half]) if half else upper)

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        cut = surface(x, y, z)
        for p, (lower, upper) in zip((x, y, z), limits, strict=True):
            cut = cut & (p >= lower) & (p <= upper)
        return cut

    yield _solid(tissue, inside, low, high)
    if row["mirror"] == "1":
        yield _solid(tissue, lambda x, y, z: inside(-x, y, z), (-high[0], *low[1:]), (-low[0], *high[1:]))


def _surface(kind: str, organ: str, v: dict[str, float]) -> Surface:
    def shell(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        outer = ((x - v["x"]) / v["a"]) ** 2 + ((y - v["y"]) / v["b"]) ** 2 <= 1
        wall = outer & (((x - v["x"]) / v["a_in"]) ** 2 + ((y - v["y_in"]) / v["b_in"]) ** 2 >= 1)
        if organ == "ribs":  # a band of 14 mm every 28 mm, the topmost around z = 620
            return wall & (np.mod(627.0 - z, 28.0) <= 14.0)
        if organ == "pelvis":
            return wall & ((z > 126.0) | (y <= 49.0))
        return wall

    if kind == "ring":
        return shell
    if kind == "tube":
        return lambda x, y, z: ((x - v["x"]) / v["a"]) ** 2 + ((y - v["y"]) / v["b"]) ** 2 <= 1 + 0 * z
    if kind == "xtube":
        return lambda x, y, z: ((y - v["y"]) / v["b"]) ** 2 + ((z - v["z"]) / v["c"]) ** 2 <= 1 + 0 * x
    return lambda x, y, z: (
        ((x - v["x"]) / v["a"]) ** 2 + ((y - v["y"]) / v["b"]) ** 2 + ((z - v["z"]) / v["c"]) ** 2 <= 1
    )


def _tube(x0: float, y0: float, a: float, b: float, low: float, high: float) -> Surface:
    return lambda x, y, z: (((x - x0) / a) ** 2 + ((y - y0) / b) ** 2 <= 1) & (z >= low) & (z <= high)


def _solid(tissue: str, inside: Surface, low: Sequence[float], high: Sequence[float]) -> TissueSolid:
    return TissueSolid(tissue, inside, tuple(map(float, low)), tuple(map(float, high)))  # type: ignore[arg-type]


def _or(text: str, default: float) -> float:
    return float(text) if text else default
