"""Metal by boundary elements and a body by a volume integral, coupled."""
