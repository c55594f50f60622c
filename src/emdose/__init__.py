"""Numerical dosimetry for MRI safety, with stated uncertainty: solve an exposure, then read its fields.

The public names stand in ``__init__.pyi``, once, for type checkers and for lazy-loader. Each is loaded when it is first
used, so that ``import emdose`` takes no time. So is each room: ``emdose.dosimetry`` and others hold more than the names
at the front door.
"""

import importlib
from typing import Any

import lazy_loader

from emdose.version import __version__ as __version__

ROOMS = ("circuits", "compliance", "dosimetry", "io", "models", "scenarios", "solvers", "uncertainty")
"""Packages whose names beyond those of the front door are public as well."""

_name, _names, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}") if name in ROOMS else _name(name)


def __dir__() -> list[str]:
    return sorted({*_names(), *ROOMS})
