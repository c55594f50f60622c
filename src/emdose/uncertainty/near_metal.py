"""Peaks beside metal on cells of several sizes, and what the cells leave uncertain of them.

The curve that states the discretisation of bodies was measured without metal. Beside edges and tips of metal the field
of a point grows without end as cells shrink, and averages over 1 g and 10 g converge with the staircase. So numbers
there come from two sizes of cells or more.

Source: P. J. Roache, J. Fluids Eng. 116 (1994) 405-413 (reports of grid refinement).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emdose.dosimetry.averaging.average import mass_average
from emdose.dosimetry.sar import point_sar
from emdose.errors import InputError
from emdose.uncertainty.discretisation import Refinement, refinement

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields

POINT = "point SAR"
"""The largest SAR of a voxel [W/kg]: on smaller cells it is another number, and beside an edge it has no limit."""


def refined_peaks(
    solved: Sequence[tuple[Fields, Phantom]], masses_kg: Sequence[float] = (1e-3, 10e-3)
) -> dict[str, Refinement]:
    """Peaks of SAR on the finest cells, with their expanded uncertainty by discretisation.

    Parameters
    ----------
    solved : sequence of (Fields, Phantom)
        Driven fields on cells of two sizes or more with their bodies, as of ``Subdomain.on_spacings``.
    masses_kg : sequence of float
        Averaging masses [kg].

    Returns
    -------
    dict of str to Refinement
        "point SAR", "1 g SAR", "10 g SAR" [W/kg], by mass in grams.

    Raises
    ------
    InputError
        For one size of cells, fields that are not driven, or bodies that are not those of the fields.
    """
    if len(solved) < 2:
        raise InputError(
            "one grid says nothing of its error", field="solved", found=len(solved), expected="two or more"
        )
    spacings = [float(max(fields.grid.spacing_m)) for fields, _ in solved]
    values: dict[str, list[float]] = {}
    for fields, phantom in solved:
        sar = point_sar(fields, phantom)
        values.setdefault(POINT, []).append(float(sar.value.max()))
        for mass in masses_kg:
            average = mass_average(sar.value, phantom.density, phantom.spacing_m, mass)
            values.setdefault(f"{1e3 * mass:g} g SAR", []).append(float(average.peak))
    return {name: refinement(spacings, found) for name, found in values.items()}
