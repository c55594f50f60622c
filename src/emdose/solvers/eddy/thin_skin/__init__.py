"""Eddy currents where the skin is thin: losses under a surface."""
