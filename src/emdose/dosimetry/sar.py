"""Specific absorption rate of every voxel, and what is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from emdose.checks import fits, one_of
from emdose.compute import backend
from emdose.errors import InputError
from emdose.models.grids.grid import Grid, Vector
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.dosimetry.averaging.cubes import PeakCube
    from emdose.dosimetry.averaging.cubic import AveragingPlan
    from emdose.dosimetry.averaging.graded import GradedAveragingPlan
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields

Rule = Literal["trapezium", "linear", "mid-ordinate"]
RULES: tuple[Rule, ...] = get_args(Rule)


@read_only(units={"value": "W/kg", "density": "kg/m^3"})
@dataclass(frozen=True, eq=False)
class SarMap:
    """SAR of every voxel for a continuous wave at the drive the fields were scaled to.

    Time windows and duty cycles are not part of the map: they are applied where limits are checked.

    Parameters
    ----------
    value : (nx, ny, nz) ndarray
        SAR [W/kg], 0 in the background.
    rule : "trapezium", "linear" or "mid-ordinate"
        How abs(E)^2 in a voxel was obtained from its edges, see :func:`point_sar`.
    grid : Grid
        The phantom's grid.
    density : (nx, ny, nz) ndarray
        Mass density [kg/m^3], 0 in the background.
    provenance : mapping, optional
        Frequency, drive and scaling of the fields.
    """

    value: np.ndarray
    rule: str
    grid: Grid
    density: np.ndarray
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("value", "density"):
            fits(name, getattr(self, name), self.grid.shape)

    @property
    def body(self) -> np.ndarray:
        """Voxels that have mass, (nx, ny, nz) bool."""
        return self.density > 0

    def mass_kg(self, mask: np.ndarray | None = None) -> float:
        """Mass of the body, or of its part inside a mask [kg]."""
        return float(np.sum(_masked(self.density, mask, self.grid), dtype=float)) * self.grid.voxel_volume_m3

    def power_W(self, mask: np.ndarray | None = None) -> float:
        """Power absorbed in the body, or in its part inside a mask: sum of SAR rho dV [W]."""
        value, density = (_masked(a, mask, self.grid) for a in (self.value, self.density))
        return float(np.einsum("i,i->", value.ravel(), density.ravel(), dtype=float)) * self.grid.voxel_volume_m3


@read_only
@dataclass(frozen=True)
class Peak:
    """Largest value of a map and where it is.

    Parameters
    ----------
    value : float
        The value [unit of the map].
    index : (int, int, int)
        Voxel.
    location_m : (float, float, float)
        Centre of the voxel [m].
    tissue : str
        Tissue of the voxel.
    cube : PeakCube, optional
        Of a mass average: its cube, the share of metal in it, and the rule it was grown by.
    """

    value: float
    index: tuple[int, int, int]
    location_m: Vector
    tissue: str
    cube: PeakCube | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        plain = {
            "value": self.value,
            "index": list(self.index),
            "location_m": list(self.location_m),
            "tissue": self.tissue,
        }
        return plain if self.cube is None else {**plain, "cube": self.cube.to_dict()}


def point_sar(fields: Fields, phantom: Phantom, rule: Rule = "trapezium") -> SarMap:
    """SAR of every voxel from the electric field on its edges.

    Parameters
    ----------
    fields : Fields
        Fields of one drive, peak phasors on the Yee edges.
    phantom : Phantom
        The body the fields were computed for: conductivity and density per voxel.
    rule : "trapezium", "linear" or "mid-ordinate"
        What stands for abs(E_c)^2 in a voxel, for every component c with its four parallel edges:
        the mean of the four squares (trapezium); the integral of the square of the bilinear interpolant
        (linear); the square of the mean, which is the field at the voxel's centre (mid-ordinate).

    Returns
    -------
    SarMap
        SAR [W/kg] in the precision of the fields.

    Raises
    ------
    InputError
        When several ports are not combined to one drive, the grids differ, the fields were solved in a body of other
        electric properties, the rule is unknown, or a tissue has no usable density or conductivity.

    Notes
    -----
    SAR = sigma abs(E)^2 / (2 rho). Trapezium >= linear >= mid-ordinate in every voxel. Only the trapezium rule
    conserves energy: its sum over the voxels equals the sum over the edges with the conductivity averaged over the
    four voxels that share the edge, which is the power that the solver dissipates. What a lead leaves in the tissue at
    it, closer than the cells resolve, is added to the voxels there by every rule.

    Source: I. Laakso, T. Uusitupa, S. Ilvonen, Phys. Med. Biol. 55 (2010) N421-N431 (names and comparison of the
    rules); IEC/IEEE 62704-1 describes the field at the voxel's centre.
    """
    fields.require_driven()
    density, conductivity = body_properties(fields, phantom)
    square = mean_square(fields.E[0], rule)
    body = density > 0
    value = np.zeros(fields.grid.shape, square.dtype)
    factor = 0.5 * conductivity[body].astype(float) / density[body].astype(float)
    value[body] = factor * square[body]
    for lead in fields.lead_currents.values():
        # Tissue at a lead, closer than the cells resolve.
        at = tuple(lead.voxel.T)
        watt_kg = lead.near_in_voxels()[:, 0, 0].real / (density[at].astype(float) * fields.grid.voxel_volume_m3)
        np.add.at(value, at, watt_kg.astype(value.dtype))
    provenance = {"frequency_Hz": fields.frequency_Hz, "rule": rule}
    provenance |= {k: fields.provenance[k] for k in ("drive", "scale") if k in fields.provenance}
    return SarMap(owned(value), rule, fields.grid, owned(density), provenance)


def mean_square(E: np.ndarray, rule: Rule = "trapezium") -> np.ndarray:
    """abs(E)^2 of every voxel by one of the rules of :func:`point_sar`.

    Parameters
    ----------
    E : (3, nx + 1, ny + 1, nz + 1) complex ndarray
        Field on the Yee edges [V/m], on either device.
    rule : str
        See :func:`point_sar`.

    Returns
    -------
    (nx, ny, nz) NumPy ndarray [V^2/m^2]; divide by 2 for the square of the rms value of peak phasors.
    """
    return backend.of(E).to_numpy(bilinear_form(E, E, rule).real)


def bilinear_form(a: np.ndarray, b: np.ndarray, rule: Rule = "trapezium") -> np.ndarray:
    """conj(a) . b of every voxel by one of the rules of :func:`point_sar`, (nx, ny, nz) complex.

    Parameters
    ----------
    a, b : (3, nx + 1, ny + 1, nz + 1) complex ndarray
        Two fields on the Yee edges.
    rule : str
        See :func:`point_sar`.
    """
    one_of("rule", rule, RULES, problem="unknown SAR rule")
    parts = []
    for c in range(3):
        first, second = (ax for ax in range(3) if ax != c)
        inside = tuple(slice(0, -1) if ax == c else slice(None) for ax in range(3))
        u, v = a[c][inside], b[c][inside]
        if rule == "trapezium":
            part = _mean(_mean(u.conj() * v, first), second)
        else:
            part = _mean(_mean(u, first), second).conj() * _mean(_mean(v, first), second)
        if rule == "linear":
            # A linear function on (0, 1) with mean m and difference d has the mean square abs(m)^2 + abs(d)^2 / 12.
            for f, g, weight in ((_mean, _step, 12), (_step, _mean, 12), (_step, _step, 144)):
                part = part + g(f(u, first), second).conj() * g(f(v, first), second) / weight
        parts.append(part)
    return parts[0] + parts[1] + parts[2]


def body_properties(fields: Fields, phantom: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """Density [kg/m^3] and conductivity [S/m] maps (0 in the background), checked against the fields and for sense.

    Raises
    ------
    InputError
        When the grids differ, the fields were solved in a body of other electric properties, or a tissue has a density
        that is not > 0 or a conductivity that is not >= 0.
    """
    grid, other = fields.grid, phantom.grid
    same = (
        grid.shape == other.shape
        and np.allclose(grid.spacing_m, other.spacing_m, rtol=1e-6, atol=0)
        and np.allclose(grid.origin_m, other.origin_m, rtol=0, atol=1e-6 * min(grid.spacing_m))
    )
    if not same:
        raise InputError(
            "fields and phantom are on different grids",
            found=f"{other.shape} voxels of {other.spacing_m} m from {other.origin_m} m",
            expected=f"{grid.shape} voxels of {grid.spacing_m} m from {grid.origin_m} m",
        )
    _same_body(fields, phantom)
    body = phantom.body
    out = []
    density, conductivity = phantom.density, phantom.conductivity(fields.frequency_Hz)
    for name, values, allowed in (
        ("density", density, density > 0),
        ("conductivity", conductivity, conductivity >= 0),
    ):
        bad = body & ~(allowed & np.isfinite(values))
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise InputError(
                f"{name} unusable in {int(bad.sum())} tissue voxels",
                field=tissue_at(phantom, where),
                found=float(values[where]),
                expected="a finite number > 0" if name == "density" else "a finite number >= 0",
            )
        out.append(np.where(body, values, 0))
    return out[0], out[1]


def _same_body(fields: Fields, phantom: Phantom) -> None:
    """Raise InputError when the provenance of fields names another body, as far as its electric properties go."""
    solved = fields.provenance.get("phantom")
    if not isinstance(solved, Mapping) or "electric_sha256" not in solved:
        return  # fields that no solver of emdose made
    if solved["electric_sha256"] != phantom.electric_hash(fields.frequency_Hz):
        if fields.metal is not None and fields.metal.phantom is not phantom:
            raise InputError(
                "the fields were solved with metal in this body",
                field="phantom",
                found=f"{phantom.name} without room for the metal",
                expected="exposure.tissue, the body around its metal",
            )
        raise InputError(
            "the fields were solved in another body",
            field="phantom",
            found=f"{phantom.name} with other tissue, permittivity or conductivity",
            expected=f"{solved.get('name', 'the body')} as it was solved; solve again for a changed one",
        )


def whole_body_sar(sar: SarMap) -> float:
    """Absorbed power over mass of the whole phantom [W/kg]."""
    return region_sar(sar)


def region_sar(sar: SarMap, mask: np.ndarray | None = None) -> float:
    """Absorbed power over mass of the tissue in a region [W/kg].

    Parameters
    ----------
    sar : SarMap
        SAR per voxel.
    mask : (nx, ny, nz) bool ndarray, optional
        The region; background voxels in it do not count. The whole body by default.

    Raises
    ------
    InputError
        When the mask does not fit or holds no tissue.
    """
    mass = sar.mass_kg(mask)
    if mass <= 0:
        raise InputError("region holds no tissue", field="mask", found="0 kg", expected="at least one tissue voxel")
    return sar.power_W(mask) / mass


def peak(values: SarMap | np.ndarray, phantom: Phantom, mask: np.ndarray | None = None) -> Peak:
    """Largest value of a map over the tissue, where it is and in which tissue.

    Parameters
    ----------
    values : SarMap or (nx, ny, nz) ndarray
        Point SAR, or any other map such as the ``value`` of a mass average; NaN is ignored.
    phantom : Phantom
        The body of the map.
    mask : (nx, ny, nz) bool ndarray, optional
        Look only here.

    Raises
    ------
    InputError
        When the shapes differ or there is no finite value in the tissue looked at.
    """
    array = values.value if isinstance(values, SarMap) else np.asarray(values)
    if array.shape != phantom.grid.shape:
        raise InputError("map does not fit the phantom", found=array.shape, expected=str(phantom.grid.shape))
    inside = phantom.body & np.isfinite(array)
    if mask is not None:
        inside = inside & as_mask(mask, phantom.grid)
    if not inside.any():
        raise InputError("no finite value in the tissue looked at", field="mask")
    index = np.unravel_index(int(np.argmax(np.where(inside, array, -np.inf))), array.shape)
    ijk: tuple[int, int, int] = tuple(int(i) for i in index)  # type: ignore[assignment]
    location: Vector = tuple(float(phantom.grid.centres(a)[ijk[a]]) for a in range(3))  # type: ignore[assignment]
    return Peak(float(array[ijk]), ijk, location, tissue_at(phantom, ijk))


def average_peak(
    plan: AveragingPlan | GradedAveragingPlan,
    values: SarMap | np.ndarray,
    phantom: Phantom,
    mask: np.ndarray | None = None,
) -> Peak:
    """Largest mass average of a map, with its cube and the metal in it.

    Parameters
    ----------
    plan : AveragingPlan or GradedAveragingPlan
        The cubes; made with the metal, where there is some.
    values : SarMap or (nx, ny, nz) ndarray
        The map that is averaged.
    phantom : Phantom
        The body of the map.
    mask : (nx, ny, nz) bool ndarray, optional
        Look only at the cubes of these voxels.

    Raises
    ------
    InputError
        When map, plan and phantom do not fit.
    """
    array = values.value if isinstance(values, SarMap) else np.asarray(values)
    if array.shape != phantom.grid.shape:
        raise InputError("map does not fit the phantom", found=array.shape, expected=str(phantom.grid.shape))
    cube = plan.peak_cube(array, None if mask is None else as_mask(mask, phantom.grid))
    location: Vector = tuple(float(phantom.grid.centres(a)[cube.index[a]]) for a in range(3))  # type: ignore[assignment]
    return Peak(cube.value, cube.index, location, tissue_at(phantom, cube.index), cube)


def tissue_at(phantom: Phantom, index: tuple[int, ...]) -> str:
    """Name of the tissue of a voxel."""
    return phantom.tissues[int(phantom.labels[index])].name


def as_mask(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """The mask as a bool array; raises InputError when it is not one or does not fit the grid."""
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != grid.shape:
        raise InputError(
            "not a mask of the grid", field="mask", found=f"{mask.dtype} {mask.shape}", expected=f"bool {grid.shape}"
        )
    return mask


def _masked(values: np.ndarray, mask: np.ndarray | None, grid: Grid) -> np.ndarray:
    return values if mask is None else values[as_mask(mask, grid)]


def _mean(a: np.ndarray, axis: int) -> np.ndarray:
    low, high = _neighbours(a, axis)
    return 0.5 * (low + high)


def _step(a: np.ndarray, axis: int) -> np.ndarray:
    low, high = _neighbours(a, axis)
    return high - low


def _neighbours(a: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    low = tuple(slice(0, -1) if ax == axis else slice(None) for ax in range(3))
    high = tuple(slice(1, None) if ax == axis else slice(None) for ax in range(3))
    return a[low], a[high]
