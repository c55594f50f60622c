"""What scenarios of fields induced at low frequencies share: solver tables, solutions on disk, maps and rows."""
