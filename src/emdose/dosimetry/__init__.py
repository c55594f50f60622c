"""What a safety engineer reads from fields: SAR and its averages, absorbed power, temperature, Q-matrices."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
