"""Readers of gradient waveforms, sequences and wire paths."""
