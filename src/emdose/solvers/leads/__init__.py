"""Thin-wire moment method: currents of leads in a homogeneous lossy medium."""
