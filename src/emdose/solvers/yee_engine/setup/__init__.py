"""What the engine is to step: materials, walls, sources, ports and recordings on a grid, and a stable step for them."""
