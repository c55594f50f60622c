"""Drives of many channels: the worst there are, the best under limits, those that spare an implant, averages."""
