"""The layered head: an adult head and neck made of level-set surfaces."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from emdose.checks import within
from emdose.models.bodies import shares
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.tissues import AIR, TissueTable
from emdose.models.grids.grid import Grid
from emdose.values import owned

MM = 1e-3

SOURCE = (
    "emdose layered head: ellipsoids and super-ellipses of our own, sized to round numbers near the mean adult man: "
    "breadth 152 mm, length 197 mm, menton to vertex 230 mm, bizygomatic 140 mm, bigonial 118 mm, between the pupils "
    "64 mm, neck circumference 377 mm (cf. the 1988 anthropometric survey of U.S. Army personnel, NATICK/TR-89/044); "
    "brain near the reference adult's 1.3 to 1.45 kg (cf. ICRP Publication 89)"
)

TISSUES = (
    "scalp",
    "fat",
    "muscle",
    "skull",
    "skull_diploe",
    "cerebrospinal_fluid",
    "grey_matter",
    "white_matter",
    "cerebellum",
    "brainstem",
    "spinal_cord",
    "sclera",
    "vitreous_humour",
    "lens",
    "mandible",
    "vertebrae",
    "intervertebral_disc",
    "tongue",
    "mucous_membrane",
)

VOLUMES_ML = {
    "scalp": 346.6,
    "fat": 711.8,
    "muscle": 1084.0,
    "skull": 375.9,
    "skull_diploe": 211.3,
    "cerebrospinal_fluid": 222.0,
    "grey_matter": 496.2,
    "white_matter": 669.9,
    "cerebellum": 93.55,
    "brainstem": 33.19,
    "spinal_cord": 10.37,
    "sclera": 3.921,
    "vitreous_humour": 10.2,
    "lens": 0.344,
    "mandible": 76.82,
    "vertebrae": 71.03,
    "intervertebral_disc": 12.3,
    "tongue": 36.72,
    "mucous_membrane": 57.81,
}
"""Volume of every tissue [ml], from points half a millimetre apart; the voxels of any size hold as much."""

KEPT_VOXELS = 2**19
"""Size up to which the labels of the last few heads are kept, so that the same head is not painted again [voxels]."""

# Thicknesses [mm] of the layers over the vault, outside to inside.
SKIN, FAT, SKULL, CSF = 2.5, 4.5, 7.0, 3.0
CAVITY = (62.0, 84.5, 74.0)  # semi-axes of the inner surface of the vault [mm]
CHIN, NECK_BASE, VERTEX = -142.0, -190.0, 88.0  # heights [mm]; the centre of the cranial cavity is the origin


def layered_head(spacing_m: float = 5e-3, scale: float = 1.0) -> Phantom:
    """An adult head and neck with scalp, fat, skull, CSF, grey and white matter, eyes, air cavities and spine.

    The centre of the cranial cavity is at the isocentre and the neck ends 190 mm below it. Layers follow the signed
    distance to smooth surfaces. Every tissue has the same mass on voxels of any size (:data:`VOLUMES_ML`), to a few
    voxels: which voxels it gets follows from how much of each it fills. A layer thinner than a voxel (scalp 2.5 mm,
    CSF 3 mm, diploe 3 mm) therefore has gaps, as many as its mass asks for; the skull as a whole, 7 mm, is closed.

    Parameters
    ----------
    spacing_m : float
        Edge of the cubic voxels [m], 0.5 to 10 mm.
    scale : float
        Scales all dimensions of the body, 1 is the mean adult man.

    Returns
    -------
    Phantom
        Its ``regions`` hold three head extents, see :data:`SOURCE` for where the dimensions come from.

    Raises
    ------
    InputError
        When the spacing is not within 0.5 to 10 mm or the scale not within 0.5 to 1.5.
    """
    within("spacing_m", spacing_m, 0.5e-3, 10e-3)
    within("scale", scale, 0.5, 1.5)
    h = spacing_m / scale / MM  # voxel edge in millimetres of the unscaled head
    first = np.floor(np.array([-77.0, -100.0, NECK_BASE]) / h - 1e-9).astype(int) - 1
    last = np.ceil(np.array([77.0, 105.0, VERTEX]) / h + 1e-9).astype(int) + 1
    first[0] = -max(-first[0], last[0])
    last[0] = -first[0]
    grid = Grid(tuple(last - first), (spacing_m,) * 3, tuple(first * spacing_m))
    centres = [grid.centres(a) / (scale * MM) for a in range(3)]
    # The painter knows a mean head in millimetres; rounded, so that equal heads are painted once.
    small = grid.size <= KEPT_VOXELS
    make = _kept_labels if small else _labels
    labels = make(tuple(float(np.round(c[0], 9)) for c in centres), grid.shape, float(np.round(h, 9)))
    table = TissueTable.default()
    z = np.broadcast_to(centres[2], grid.shape)
    body = labels > 0
    regions = {
        "head (whole phantom down to the neck base)": body,
        "head (crown to chin level)": body & (z >= CHIN),
        "head (crown to the lower edge of the skull base)": body & (z >= -75.0),
    }
    tissues = (AIR, *(table[t] for t in TISSUES))
    name = "layered head" if scale == 1 else f"layered head x {scale:g}"
    return Phantom(grid, labels, tissues, name, regions, SOURCE).compact()


def _labels(first: tuple[float, ...], shape: tuple[int, ...], h: float) -> np.ndarray:
    """Labels on voxels of ``h`` whose first centre is ``first`` [mm]."""
    axes = [start + h * np.arange(n) for start, n in zip(first, shape, strict=True)]
    samples = 1 if h * MM < shares.FINE_M * (1 - 1e-9) else shares.samples_for(shape)
    volumes = {i: VOLUMES_ML[t] * 1e3 / h**3 for i, t in enumerate(TISSUES, 1)}
    return owned(shares.sampled(_paint, axes, (h,) * 3, samples).settle(volumes))


_kept_labels = lru_cache(maxsize=8)(_labels)


def _paint(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Labels (nx, ny, nz) at the points of three axes [mm]."""
    return _Painter(*np.meshgrid(*(a.astype(np.float32) for a in (x, y, z)), indexing="ij", sparse=True)).paint()


class _Painter:
    """Paints labels from signed depths [mm] (positive inside) at points."""

    def __init__(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
        self.x, self.y, self.z = x, y, z
        self.shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        self.labels = np.zeros(self.shape, np.uint8)

    def paint(self) -> np.ndarray:
        depth = self._outer()
        cavity = self._cavity()
        body = depth > 0
        self._set("muscle", body)
        self._subcutaneous(depth, body)
        self._face(depth)
        self._neck()
        self._set("skull", (cavity > -SKULL) & body)
        self._set("skull_diploe", (cavity > -5.0) & (cavity <= -2.0) & body)
        self._brain(cavity)
        self._spine()
        outside = cavity <= -SKULL  # of the skull
        self._eyes(outside)
        self._airways(outside)
        self.labels[~body] = 0
        return self.labels

    # ---- surfaces ------------------------------------------------------------------------------------------------
    def _outer(self) -> np.ndarray:
        """Depth under the skin."""
        x, y, z = self.x, self.y, self.z
        layer = SKIN + FAT + SKULL
        vault = self._ellipsoid((0, 0, 0), (CAVITY[0] + layer, CAVITY[1] + layer, CAVITY[2] + layer))
        if z.min() > 15.0:  # of face and neck
            return vault
        # The face: super-ellipses that taper to the chin. Half-widths are half the bizygomatic and bigonial breadths.
        heights = [CHIN, CHIN + 8, -105.0, -50.0, -20.0, 15.0]
        half = np.interp(z, heights, [24.0, 38.0, 59.0, 70.0, 70.0, 55.0])
        front = np.interp(z, heights, [88.0, 95.0, 96.0, 96.0, 95.0, 92.0])
        back = np.interp(z, heights, [25.0, 10.0, -30.0, -40.0, -40.0, -40.0])
        centre, deep = 0.5 * (front + back), 0.5 * (front - back)
        f = 1 - ((np.abs(x) / half) ** 2.4 + (np.abs(y - centre) / deep) ** 2.4) ** (1 / 2.4)
        face = np.minimum(f * np.minimum(half, deep), np.minimum(z - CHIN, 15.0 - z))
        nose = self._blob((0, 92.0, -58.0), (14.0, 13.0, 24.0))
        # The neck leans forward on its way up.
        lean = -18.0 + 0.05 * (z - NECK_BASE)
        neck = (1 - np.sqrt((x / 58.0) ** 2 + ((y - lean) / 62.0) ** 2)) * 60.0
        neck = np.minimum(neck, np.minimum(z - NECK_BASE + 1e3, -20.0 - z))  # cut flat: no skin over the section
        inside = np.maximum(np.maximum(vault, face), np.maximum(neck, nose))
        return np.where(np.broadcast_to(z, self.shape) < NECK_BASE, -1.0, inside)

    def _cavity(self) -> np.ndarray:
        """Depth under the inner surface of the skull: the vault, cut by the sloping skull base."""
        vault = self._ellipsoid((0, 0, 0), CAVITY)
        base = (self.z + 55.0 - 0.5 * self.y) / math.hypot(1.0, 0.5)
        floor = self.z + 66.0
        return np.minimum(vault, np.minimum(base, floor))

    # ---- tissues -------------------------------------------------------------------------------------------------
    def _subcutaneous(self, depth: np.ndarray, body: np.ndarray) -> None:
        # Fat is thicker over cheeks and neck than over the vault.
        fat = np.where(self.z < -20.0, FAT + 1.5, FAT)
        self._set("fat", body & (depth <= SKIN + fat))
        self._set("scalp", body & (depth <= SKIN))

    def _face(self, depth: np.ndarray) -> None:
        x, y, z = self.x, self.y, self.z
        ring = (depth > 10.0) & (depth <= 19.0)
        self._set("mandible", ring & (z > CHIN + 6) & (z < -112.0) & (y > 12.0))
        ramus = (np.abs(np.abs(x) - 48.0) < 4.0) & (np.abs(y - 16.0) < 15.0)
        self._set("mandible", ramus & (z >= -115.0) & (z < -58.0))
        self._set("skull", ring & (z > -98.0) & (z < -40.0) & (y > 45.0))  # maxilla and cheek bones
        self._set("skull", (depth > 8.0) & (np.abs(z + 98.0) < 3.0) & (y > 30.0) & (np.abs(x) < 26.0))
        self._set("mucous_membrane", self._blob((0, 52.0, -68.0), (17.0, 32.0, 24.0)) > 0)
        self._set("tongue", self._blob((0, 46.0, -116.0), (23.0, 30.0, 14.0)) > 0)

    def _neck(self) -> None:
        fat = self._blob((0, -40.0, -150.0), (9.0, 12.0, 34.0))  # between the muscles of the nape
        self._set("fat", (fat > 0) & (self.labels == self._label("muscle")))

    def _brain(self, cavity: np.ndarray) -> None:
        x, y, z = self.x, self.y, self.z
        self._set("cerebrospinal_fluid", cavity > 0)
        depth = cavity - CSF
        self._set("grey_matter", depth > 0)
        # Folded cortex: the boundary to white matter waves between 4 and 18 mm of depth.
        k = 2 * math.pi / 26.0
        wave = np.cos(k * x) * np.cos(k * y + 0.6) + np.cos(k * y) * np.cos(k * z + 0.4) + np.cos(k * z) * np.cos(k * x)
        cortex = np.maximum(10.5 + 3.2 * wave, 4.0)
        self._set("white_matter", depth > cortex)
        for side in (-1, 1):
            self._set("grey_matter", self._blob((side * 20.0, 2.0, -8.0), (9.0, 20.0, 11.0)) > 0)
            horn = self._blob((side * 10.0, -2.0, 12.0), (7.0, 36.0, 8.0))
            self._set("cerebrospinal_fluid", horn > 0)
        self._set("cerebrospinal_fluid", self._blob((0, 2.0, -8.0), (2.5, 12.0, 10.0)) > 0)
        cerebellum = (self._blob((0, -46.0, -42.0), (47.0, 30.0, 25.0)) > 0) & (depth > 0)
        self._set("cerebellum", cerebellum)
        # The stem leaves through the foramen magnum: a sleeve of bone around it keeps the skull base closed.
        rim = np.sqrt((x / (14.0 + SKULL)) ** 2 + ((y + 14.0) / (12.0 + SKULL)) ** 2) < 1
        self._set("skull", rim & (z <= -14.0) & (z > -76.0) & (cavity <= 0))
        stem = (np.sqrt((x / 14.0) ** 2 + ((y + 14.0) / 12.0) ** 2) < 1) & (z < -14.0) & (z > -82.0)
        self._set("brainstem", stem)

    def _spine(self) -> None:
        x, y, z = self.x, self.y, self.z
        r = np.sqrt(x**2 + (y + 24.0) ** 2)
        column = z < -66.0
        body = (np.sqrt((x / 13.0) ** 2 + ((y + 4.0) / 10.0) ** 2) < 1) & (z < -76.0)
        ring = (r < 14.0) & (z < -76.0)
        self._set("vertebrae", body | ring)
        # A disc of 5 mm between vertebrae of 16 mm.
        self._set("intervertebral_disc", body & (np.mod(z - NECK_BASE, 21.0) < 5.0) & (r > 9.0))
        canal = np.sqrt(x**2 + (y + 24.0 - np.clip((z + 82.0) / 16.0, 0, 1) * 8.0) ** 2)
        self._set("cerebrospinal_fluid", (canal < 9.0) & column & (self.labels != self._label("brainstem")))
        self._set("spinal_cord", (canal < 5.5) & (z < -82.0))

    def _eyes(self, outside: np.ndarray) -> None:
        for side in (-1, 1):
            centre = (side * 32.0, 76.0, -38.0)
            globe = np.where(outside, self._blob(centre, (12.0, 12.0, 12.0)), -1.0)
            self._set("fat", (self._blob((side * 31.0, 66.0, centre[2]), (17.0, 24.0, 16.0)) > 0) & outside)
            self._set("sclera", globe > 0)
            self._set("vitreous_humour", globe > 1.2)
            lens = self._blob((centre[0], 83.0, centre[2]), (4.5, 2.0, 4.5))
            self._set("lens", (lens > 0) & (globe > 0))

    def _airways(self, outside: np.ndarray) -> None:
        x, y, z = self.x, self.y, self.z
        cavities = (
            ((26.0, 58.0, -68.0), (12.0, 15.0, 16.0)),  # maxillary sinuses
            ((-26.0, 58.0, -68.0), (12.0, 15.0, 16.0)),
            ((0.0, 24.0, -62.0), (12.0, 11.0, 9.0)),  # sphenoid sinus
            ((6.0, 54.0, -66.0), (4.0, 28.0, 18.0)),  # nasal passages beside the septum
            ((-6.0, 54.0, -66.0), (4.0, 28.0, 18.0)),
            ((0.0, 50.0, -103.0), (20.0, 24.0, 3.0)),  # mouth
        )
        for centre, semi in cavities:
            self.labels[(self._blob(centre, semi) > 0) & outside] = 0
        pharynx = (np.sqrt((x / 11.0) ** 2 + ((y - 18.0) / 8.0) ** 2) < 1) & (z < -66.0)
        wall = (np.sqrt((x / 14.0) ** 2 + ((y - 18.0) / 11.0) ** 2) < 1) & (z < -66.0) & (self.labels > 0)
        self._set("mucous_membrane", wall & (self.labels == self._label("muscle")))
        self.labels[pharynx] = 0

    # ---- helpers -------------------------------------------------------------------------------------------------
    def _ellipsoid(self, centre: tuple[float, float, float], semi: tuple[float, float, float]) -> np.ndarray:
        """Signed depth under an ellipsoid to first order: (1 - g) / |grad g| with g = |(r - centre) / semi|."""
        return _depth((self.x, self.y, self.z), centre, semi)

    def _blob(self, centre: tuple[float, float, float], semi: tuple[float, float, float]) -> np.ndarray:
        """The same, -1 outside of the box around it: what is small need not be worked out for the whole head."""
        part = []
        for axis, c, s in zip((self.x, self.y, self.z), centre, semi, strict=True):
            part.append(slice(*np.searchsorted(axis.ravel(), (c - s, c + s))))
        if any(p.start == p.stop for p in part):
            return np.full((1, 1, 1), -1.0, np.float32)
        out = np.full(self.shape, -1.0, np.float32)
        out[tuple(part)] = _depth((self.x[part[0]], self.y[:, part[1]], self.z[:, :, part[2]]), centre, semi)
        return out

    def _label(self, tissue: str) -> int:
        return TISSUES.index(tissue) + 1

    def _set(self, tissue: str, where: np.ndarray) -> None:
        self.labels[np.broadcast_to(where, self.shape)] = self._label(tissue)


def _depth(
    at: tuple[np.ndarray, np.ndarray, np.ndarray], centre: tuple[float, float, float], semi: tuple[float, float, float]
) -> np.ndarray:
    u = [(c - o) / s for c, o, s in zip(at, centre, semi, strict=True)]
    g = np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2)
    slope = np.sqrt((u[0] / semi[0]) ** 2 + (u[1] / semi[1]) ** 2 + (u[2] / semi[2]) ** 2)
    return np.where(g > 1e-6, g * (1 - g) / np.maximum(slope, 1e-9), min(semi))
