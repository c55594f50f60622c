"""What fields of another program turn out to be: conventions found from the data, then SAR, limits and matrices."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
