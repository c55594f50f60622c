"""What metal does in the magnet: torque and force of eddy currents and of magnetisation, vibration, motion; ratios."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
