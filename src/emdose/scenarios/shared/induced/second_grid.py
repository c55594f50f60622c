"""The body of a scenario on larger voxels, for what their size leaves uncertain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from emdose.scenarios.shared.bodies import phantom, scaled_body
from emdose.scenarios.shared.body_tables import PhantomFileTable

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


def on_larger_voxels(table: Any, body: Phantom, factor: float, file: object = None) -> Phantom:
    """A body whose voxels are larger by a factor.

    A generated body is made anew: voxels that are merged by their majority tear thin layers, which the made ones do
    not. One from a file, or one whose generator makes no such voxels, is resampled.

    Parameters
    ----------
    table : Table
        The table [phantom].
    body : Phantom
        What it makes.
    factor : float
        New spacing over that of the body.
    file : Path or str, optional
        The scenario, for errors.
    """
    if not isinstance(table, PhantomFileTable) and table.resample_spacing_m is None:
        plain = table.model_dump(mode="json")
        scaled_body(plain, table, factor, file)
        try:
            return phantom(type(table).model_validate(plain), file)
        except ValidationError:
            pass
    x, y, z = body.spacing_m
    return body.resample((factor * x, factor * y, factor * z))
