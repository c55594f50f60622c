"""Numerical dosimetry for MRI safety, with stated uncertainty: solve an exposure, then read its fields.

The public names stand in ``__init__.pyi``, once, for type checkers and for lazy-loader. Each is loaded when it is first
used, so that ``import emdose`` takes no time.
"""

import lazy_loader

from emdose.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
