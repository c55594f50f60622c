"""Oracles as public functions: closed forms on NumPy and SciPy alone, so that they share no bug with a solver."""

from __future__ import annotations

from emdose.validation.closed_forms.cylinder import Cylinder
from emdose.validation.closed_forms.mie import Sphere

__all__ = ["Cylinder", "Sphere"]
