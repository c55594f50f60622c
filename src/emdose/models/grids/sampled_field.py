"""Vector fields on a rectilinear grid of points, read between them by cubic splines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import growing
from emdose.errors import InputError
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class SampledField:
    """Vectors on a rectilinear grid of points, as a function by cubic splines.

    Parameters
    ----------
    axes_m : (x, y, z) of 1-D ndarray
        Coordinates of the points along each axis, growing, at least four [m].
    values : (port, 3, nx, ny, nz) complex ndarray
        Vectors there.
    """

    axes_m: tuple[np.ndarray, np.ndarray, np.ndarray]
    values: np.ndarray

    def __post_init__(self) -> None:
        axes = tuple(growing(f"axes_m[{i}]", np.asarray(a, float), unit=" m") for i, a in enumerate(self.axes_m))
        values = np.asarray(self.values)
        if len(axes) != 3 or any(len(a) < 4 for a in axes):
            raise InputError(
                "too few points for an incident field",
                field="axes_m",
                found=[len(a) for a in axes],
                expected="three axes of at least 4 points",
            )
        values = values[None] if values.ndim == 4 else values
        wanted = (3, *(len(a) for a in axes))
        if values.ndim != 5 or values.shape[1:] != wanted:
            raise InputError(
                "array does not fit the points",
                field="E or H",
                found=np.shape(self.values),
                expected=f"(port, {', '.join(map(str, wanted))})",
            )
        if values.dtype.kind not in "iufc" or not np.all(np.isfinite(values)):
            raise InputError("incident field holds a value that is not a finite number", field="E or H")
        object.__setattr__(self, "axes_m", axes)
        object.__setattr__(self, "values", values.astype(complex, copy=values is self.values))

    @property
    def step_m(self) -> float:
        """Largest distance of neighbouring points [m]."""
        return max(float(np.diff(a).max()) for a in self.axes_m)

    def holds(self, points_m: np.ndarray) -> np.ndarray:
        """Which points (n, 3) [m] lie within the grid, a billionth of its size beyond included."""
        inside = np.ones(len(points_m), bool)
        for a, axis in enumerate(self.axes_m):
            slack = 1e-9 * (axis[-1] - axis[0])
            inside &= (points_m[:, a] >= axis[0] - slack) & (points_m[:, a] <= axis[-1] + slack)
        return inside

    def __call__(self, points_m: np.ndarray) -> np.ndarray:
        """Vectors at points (n, 3) [m], (port, n, 3); raises InputError beyond the grid."""
        points = np.asarray(points_m, float)
        outside = ~self.holds(points)
        if outside.any():
            ends = ", ".join(f"{x[0]:.4g} to {x[-1]:.4g} m" for x in self.axes_m)
            raise InputError(
                "the incident field does not reach over the whole grid of the phantom",
                field="axes_m",
                found=f"({', '.join(f'{c:.4g}' for c in points[outside][0])}) m is not within {ends}",
                expected="points beyond the phantom's grid on every side",
            )
        from scipy.interpolate import BSpline

        coefficients, first, weight = self.values, [], []
        for a, axis in enumerate(self.axes_m):
            coefficients, knots = _spline(axis, coefficients, 2 + a)
            design = BSpline.design_matrix(np.clip(points[:, a], axis[0], axis[-1]), knots, 3)
            first.append(design.indices.reshape(-1, 4)[:, 0])
            weight.append(design.data.reshape(-1, 4))
        flat = np.ascontiguousarray(np.moveaxis(coefficients.reshape(len(self.values) * 3, -1), 0, 1))
        _, ny, nz = (len(a) for a in self.axes_m)
        out = np.zeros((len(points), flat.shape[1]), complex)
        for i, j, k in np.ndindex(4, 4, 4):
            at = ((first[0] + i) * ny + first[1] + j) * nz + first[2] + k
            out += (weight[0][:, i] * weight[1][:, j] * weight[2][:, k])[:, None] * flat[at]
        return np.moveaxis(out.reshape(len(points), -1, 3), 0, 1)


def _spline(axis: np.ndarray, values: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of cubic splines along one axis of an array, and their knots."""
    from scipy.interpolate import make_interp_spline

    spline = make_interp_spline(axis, values, k=3, axis=number)
    # SciPy hands the axis of the coefficients over to the front.
    return np.moveaxis(np.asarray(spline.c), 0, number), np.asarray(spline.t)
