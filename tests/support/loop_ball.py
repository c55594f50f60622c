"""A scenario for tests of studies: a ball of muscle above a loop, solved in a moment."""

LOOP_BALL = {
    "scenario": {"kind": "rf", "name": "ball"},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 0.02, "tissue": "muscle"},
    "coil": {"type": "loop", "radius_m": 0.1},
    "exposure": {"frequency_Hz": 128e6},
    "normalise": {"absorbed_power_W": 1.0},
}
