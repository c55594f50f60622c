"""How it is computed: one package per solver, the words that all of them speak, and what comes back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
