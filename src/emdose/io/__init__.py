"""The only code that opens files: readers and writers of bodies, tables, maps, meshes and results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
