"""Uncertainty of results, from numbers to numbers: laws, designs, budgets, and what is left by the grid."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
