"""How ports are driven and fields scaled, and fields of finished runs: what kinds with an RF field share."""
