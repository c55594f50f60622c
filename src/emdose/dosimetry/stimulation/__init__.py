"""Stimulation of nerves and heart by switched gradients: pulses of dB/dt, nerve response, hardware models."""
