"""Coils of metal, capacitors and feeds: their network, tuned and matched, and how far their mesh matters."""
