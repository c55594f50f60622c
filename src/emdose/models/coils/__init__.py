"""Coils of prescribed currents, coils of metal with capacitors, and their conductors."""
