"""Readers of whole pulse sequences: RF, shims and gradients."""
