"""Ports and elements: networks, circuits, their modes, matching and tuning; algebra on matrices, no fields."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
