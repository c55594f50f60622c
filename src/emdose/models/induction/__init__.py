"""What drives currents in a body at low frequencies: switched fields, and moving through a static one."""
