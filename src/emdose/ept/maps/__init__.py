"""What EPT reads and returns: B1+ maps, property maps, phases."""
