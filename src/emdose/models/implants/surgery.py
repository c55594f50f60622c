"""How an implant gets into a body: bone that is cut off, a canal that is reamed, a shell around the metal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emdose.checks import metres, unit_vector, unknown, vector
from emdose.errors import InputError
from emdose.models.bodies import tissues
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.tissues import Tissue
from emdose.models.grids.grid import Vector
from emdose.models.implants.implant import Implant
from emdose.models.implants.signed_distance import capsule
from emdose.values import owned, read_only

TissueLike = Tissue | str
Mask = np.ndarray
Region = Callable[[np.ndarray], np.ndarray]

BONES = ("bone_cortical", "bone_cancellous", "skull", "skull_diploe", "mandible", "vertebrae")
"""What "bone" stands for: marrow is not among them, and is named where it is meant."""
NO_TISSUE = ("bone_cement",)
"""Fillings that no average counts."""
METAL = "metal"
"""Reason of the voxels that became metal."""


@read_only
@dataclass(frozen=True)
class ImplantShell:
    """A layer around all metal.

    Parameters
    ----------
    thickness_m : float
        Largest distance from the surface of the metal [m].
    material : Tissue or str
        What it is made of: "bone_cement" (PMMA), "saline" (a gap of fluid), "connective_tissue" (fibrous tissue), or
        any tissue.
    within : sequence of str
        Tissues that it may take the place of; "bone" for all bones, none named for every tissue.

    Raises
    ------
    InputError
        For a thickness that is not positive or an unknown material.
    """

    thickness_m: float
    material: Tissue = "bone_cement"  # type: ignore[assignment]
    within: Sequence[str] = ()
    reason = "shell"

    def __post_init__(self) -> None:
        object.__setattr__(self, "thickness_m", metres("thickness_m", self.thickness_m))
        _finish(self)


@read_only
@dataclass(frozen=True)
class ReamedCanal:
    """A straight canal with round ends that is filled.

    Parameters
    ----------
    start_m, end_m : (float, float, float)
        Ends of its axis [m].
    radius_m : float
        Radius [m].
    material : Tissue or str
        What fills it, where no metal is.
    within : sequence of str
        As of :class:`ImplantShell`.

    Raises
    ------
    InputError
        For ends that fall together, a radius that is not positive or an unknown material.
    """

    start_m: Vector
    end_m: Vector
    radius_m: float
    material: Tissue = "bone_cement"  # type: ignore[assignment]
    within: Sequence[str] = ()
    reason = "canal"

    def __post_init__(self) -> None:
        for key in ("start_m", "end_m"):
            object.__setattr__(self, key, tuple(vector(key, getattr(self, key)).tolist()))
        object.__setattr__(self, "radius_m", metres("radius_m", self.radius_m))
        if self.start_m == self.end_m:
            raise InputError("a canal without length", field="end_m", found=self.end_m, expected="another point")
        _finish(self)


@read_only
@dataclass(frozen=True)
class BoneCut:
    """Bone that is cut off at a plane, and what takes its place.

    Parameters
    ----------
    point_m : (float, float, float)
        A point of the plane [m].
    normal : (float, float, float)
        Points to what is cut off.
    reach_m : float, optional
        Only bone nearer than that to the point is cut [m]; by default all that lies beyond the plane.
    material : Tissue or str
        What takes its place.
    within : sequence of str
        As of :class:`ImplantShell`.

    Raises
    ------
    InputError
        For a normal without length, a reach that is not positive or an unknown material.
    """

    point_m: Vector
    normal: Vector
    reach_m: float | None = None
    material: Tissue = "muscle"  # type: ignore[assignment]
    within: Sequence[str] = ("bone",)
    reason = "cut"

    def __post_init__(self) -> None:
        object.__setattr__(self, "point_m", tuple(vector("point_m", self.point_m).tolist()))
        object.__setattr__(self, "normal", tuple(unit_vector("normal", self.normal).tolist()))
        if self.reach_m is not None:
            object.__setattr__(self, "reach_m", metres("reach_m", self.reach_m))
        _finish(self)


@read_only
@dataclass(frozen=True)
class Surgery:
    """What is done to a body besides putting metal into it, in this order: cuts, canals, shell.

    Parameters
    ----------
    shell : ImplantShell, optional
        Cement, fluid or fibrous tissue around the metal.
    canals : sequence of ReamedCanal
        Canals that are reamed and filled.
    cuts : sequence of BoneCut
        Bone that is cut off.

    Raises
    ------
    InputError
        When an entry is none of these.
    """

    shell: ImplantShell | None = None
    canals: Sequence[ReamedCanal] = ()
    cuts: Sequence[BoneCut] = ()

    def __post_init__(self) -> None:
        for key, kind in (("canals", ReamedCanal), ("cuts", BoneCut)):
            value = getattr(self, key)
            several = (value,) if isinstance(value, kind) else tuple(value)
            if not all(isinstance(s, kind) for s in several):
                raise InputError(f"bad {key}", field=key, expected=f"a sequence of {kind.__name__}")
            object.__setattr__(self, key, several)
        if self.shell is not None and not isinstance(self.shell, ImplantShell):
            raise InputError("bad shell", field="shell", found=self.shell, expected="an ImplantShell")


@read_only
@dataclass(frozen=True)
class ReplacedTissue:
    """Tissue that made room.

    Parameters
    ----------
    tissue : str
        What was there.
    reason : "metal", "shell", "canal" or "cut"
        Why it is gone: the last of the steps that took it.
    material : str
        What is there now.
    mass_kg, volume_m3 : float
        Mass of what is gone [kg] and its volume [m^3].
    """

    tissue: str
    reason: str
    material: str
    mass_kg: float
    volume_m3: float


def operated(
    phantom: Phantom, metal: Mask, implants: Sequence[Implant], surgery: Surgery
) -> tuple[Phantom, list[tuple[str, str, Mask]]]:
    """A body after cuts, canals and shell, with the tissue below the metal still in place.

    Parameters
    ----------
    phantom : Phantom
        The body.
    metal : (nx, ny, nz) bool ndarray
        Voxels of metal.
    implants : sequence of Implant
        The surfaces, for the distance of the shell.
    surgery : Surgery
        What is done.

    Returns
    -------
    Phantom
        The body with its fillings.
    list of (str, str, (nx, ny, nz) bool ndarray)
        Reason, material and voxels of every step.

    Raises
    ------
    InputError
        When a shell is thinner than a voxel, a tissue is not in the body, or a step finds nothing to replace.
    """
    steps: list[tuple[str, str, Mask]] = []
    shell = surgery.shell
    if shell is not None and shell.thickness_m < max(phantom.spacing_m) * (1 - 1e-6):
        raise InputError(
            "a shell thinner than a voxel",
            field="shell.thickness_m",
            found=f"{shell.thickness_m * 1e3:g} mm in voxels of {max(phantom.spacing_m) * 1e3:g} mm",
            expected=f"at least {max(phantom.spacing_m) * 1e3:g} mm, or voxels of {shell.thickness_m * 1e3:g} mm",
        )
    for step in (*surgery.cuts, *surgery.canals, *((shell,) if shell is not None else ())):
        where = _where(step, phantom, implants) & _allowed(step, phantom) & ~metal
        if not where.any():
            raise InputError(
                f"the {step.reason} finds nothing to replace",
                field=f"surgery.{step.reason}",
                found=f"no voxel of {', '.join(step.within) or 'tissue'} there",
                expected="a place in the body",
            )
        phantom = _filled(phantom, where, step.material)
        steps.append((step.reason, step.material.name, where))
    return phantom, steps


def _finish(step: ImplantShell | ReamedCanal | BoneCut) -> None:
    material = step.material
    object.__setattr__(step, "material", material if isinstance(material, Tissue) else tissues.get(material))
    within = (step.within,) if isinstance(step.within, str) else tuple(step.within)
    object.__setattr__(step, "within", within)


def _where(step: ImplantShell | ReamedCanal | BoneCut, phantom: Phantom, implants: Sequence[Implant]) -> Mask:
    if isinstance(step, ImplantShell):
        return near_surface(phantom, implants, step.thickness_m)
    if isinstance(step, ReamedCanal):
        shape = capsule(step.start_m, step.end_m, step.radius_m)
        return _centres_in(phantom, shape.low_m, shape.high_m, lambda p: shape.distance(p) < 0)
    point, normal, reach = np.array(step.point_m), np.array(step.normal), step.reach_m
    low, high = (np.array(b) for b in phantom.grid.bounds_m)
    if reach is not None:
        low, high = np.maximum(low, point - reach), np.minimum(high, point + reach)

    def beyond(p: np.ndarray) -> np.ndarray:
        far = (p - point) @ normal > 0
        return far if reach is None else far & (((p - point) ** 2).sum(1) < reach**2)

    return _centres_in(phantom, tuple(low), tuple(high), beyond)


def near_surface(phantom: Phantom, implants: Sequence[Implant], distance_m: float) -> Mask:
    """Voxels whose centre is nearer than a distance to the surface of metal, inside or outside, (nx, ny, nz) bool."""
    from scipy.spatial import cKDTree

    out = np.zeros(phantom.grid.shape, bool)
    step = 0.25 * min(phantom.spacing_m)
    for implant in implants:
        tree = cKDTree(np.concatenate([surface_points(p.corners, step) for p in implant.parts]))
        low, high = (np.array(b) for b in implant.bounds_m)

        def close(p: np.ndarray, tree: cKDTree = tree) -> np.ndarray:
            found, _ = tree.query(p, distance_upper_bound=distance_m)
            return np.isfinite(found)

        out |= _centres_in(phantom, tuple(low - distance_m), tuple(high + distance_m), close)
    return out


def surface_points(corners: np.ndarray, step_m: float) -> np.ndarray:
    """Points (n, 3) on triangles (t, 3, 3), no further apart than a step along their edges [m]."""
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    parts = np.ceil(edges / step_m).astype(int).clip(1, 10_000)
    found = []
    for n in np.unique(parts):
        u, v = (a.ravel() / n for a in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
        keep = u + v <= 1 + 1e-9
        u, v = u[keep][:, None], v[keep][:, None]
        a, b, c = corners[parts == n].transpose(1, 0, 2)[:, :, None]
        found.append((a + u * (b - a) + v * (c - a)).reshape(-1, 3))
    return np.concatenate(found)


def _centres_in(phantom: Phantom, low_m: Vector, high_m: Vector, test: Region) -> Mask:
    """Voxels with their centre in a box for which a test of points (n, 3) is true."""
    grid = phantom.grid
    axes = [grid.centres(a) for a in range(3)]
    window = tuple(
        slice(int(np.searchsorted(x, a, "left")), int(np.searchsorted(x, b, "right")))
        for x, a, b in zip(axes, low_m, high_m, strict=True)
    )
    out = np.zeros(grid.shape, bool)
    points = np.stack(np.meshgrid(*(x[w] for x, w in zip(axes, window, strict=True)), indexing="ij"), -1)
    if points.size:
        out[window] = test(points.reshape(-1, 3)).reshape(points.shape[:3])
    return out


def _allowed(step: ImplantShell | ReamedCanal | BoneCut, phantom: Phantom) -> Mask:
    """Voxels of the tissues that a step may replace."""
    if not step.within:
        return phantom.body
    names = [t.name for t in phantom.tissues]
    good = np.zeros(len(names), bool)
    for wanted in step.within:
        group = BONES if wanted == "bone" else (wanted,)
        labels = [n for n, name in enumerate(names) if n and name in group]
        if not labels:
            raise unknown("tissue not in this phantom", wanted, names[1:], field=f"surgery.{step.reason}.within")
        good[labels] = True
    return good[phantom.labels]


def _filled(phantom: Phantom, where: Mask, material: Tissue) -> Phantom:
    from dataclasses import replace

    known = phantom.tissues
    label = known.index(material) if material in known else len(known)
    clash = label == len(known) and any(t.name == material.name for t in known)
    if clash:
        raise InputError(
            "two tissues of one name", field="surgery", found=material.name, expected="another name for the filling"
        )
    wide = phantom.labels.astype(np.uint16 if label > 255 else phantom.labels.dtype)
    wide[where] = label
    return replace(phantom, labels=owned(wide), tissues=known if label < len(known) else (*known, material))
