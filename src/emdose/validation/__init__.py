"""Closed forms as oracles, and the cases that ``emdose validate`` runs against them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
