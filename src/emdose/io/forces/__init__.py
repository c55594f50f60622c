"""Files about forces: maps of a scanner's static field, and loads for structural codes."""
