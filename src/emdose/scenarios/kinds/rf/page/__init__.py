"""The page of an RF exposure: limits, maps, networks, temperatures, and what they rest on."""
