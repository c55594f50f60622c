"""Induced fields that the samples of a study hand on to each other, up to a common factor of all conductivities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.shared import key_of

if TYPE_CHECKING:
    from emdose.compute.shared import Shared
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.induced import InducedField

DIGITS = 12
"""To which conductivities over the largest of them are the same."""


def same_fields(body: Phantom, frequency_Hz: float, told: Any) -> str:
    """A key of fields in a body that do not change with a factor of all conductivities.

    Currents grow with it, fields do not (with displacement currents they would). So samples share fields that differ in
    that factor, or in nothing that a field depends on: waveforms, densities, permittivities.

    Parameters
    ----------
    body : Phantom
        The body without metal.
    frequency_Hz : float
        That its properties are taken at [Hz].
    told : object
        What else the fields depend on: sources, solver, metal; as of :func:`~emdose.compute.shared.key_of`.
    """
    sigma = conductivities(body, frequency_Hz)
    top = float(sigma.max())
    ratios = [round(float(s / top), DIGITS) for s in sigma] if top > 0 else []
    grid = [list(body.grid.shape), list(map(float, body.grid.spacing_m)), list(map(float, body.grid.origin_m))]
    return key_of("induced fields", grid, np.asarray(body.labels), ratios, told)


def renewed(found: InducedField, body: Phantom, frequency_Hz: float) -> InducedField:
    """A field that another sample has made, in the body of this one.

    Parameters
    ----------
    found : InducedField
        The field; its phantom and conductivities are those of the sample that made it.
    body : Phantom
        The body without metal.
    frequency_Hz : float
        That its properties are taken at [Hz].
    """
    own = body if found.implanted is None else replace(body, labels=found.phantom.labels)
    sigma = conductivities(body, frequency_Hz).astype(found.conductivity.dtype)
    metal = None if found.implanted is None else replace(found.implanted, phantom=own)
    values = sigma[np.asarray(own.labels).reshape(-1)[found.cells]]
    return replace(found, phantom=own, conductivity=values, implanted=metal)


def handed_on(
    shared: Shared | None, body: Phantom, frequency_Hz: float, told: Any, make: Callable[[], InducedField]
) -> InducedField:
    """A field that another sample of a study has made, see :func:`same_fields`, or the one that is made.

    Parameters
    ----------
    shared : Shared or None
        The memo of a study; without it the field is made.
    body, frequency_Hz, told
        As of :func:`same_fields`.
    make : callable
        Makes the field.
    """
    if shared is None:
        return make()
    return renewed(shared.get(same_fields(body, frequency_Hz, told), make), body, frequency_Hz)


def conductivities(body: Phantom, frequency_Hz: float) -> np.ndarray:
    """sigma of every tissue of a body, by label; 0 of the background [S/m]."""
    return np.array([0.0, *(t.conductivity(frequency_Hz) for t in body.tissues[1:])])
