"""Coils of metal, capacitors and feeds: their solver, tuning and network, for every kind of scenario."""
