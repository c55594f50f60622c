"""Coils of chains of straight pieces that users bring: with ideal currents, or cut by capacitors and feeds; arrays."""
