"""Oracles as public functions: closed forms on NumPy and SciPy alone, so that they share no bug with a solver."""

from __future__ import annotations

from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder
from emdose.validation.closed_forms.waves import mie
from emdose.validation.closed_forms.waves.cylinder import Cylinder
from emdose.validation.closed_forms.waves.mie import Sphere

__all__ = ["Cylinder", "LayeredCylinder", "Sphere", "mie"]
