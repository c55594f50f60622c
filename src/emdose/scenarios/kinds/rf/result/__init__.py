"""The result of an RF exposure on disk, its temperatures included."""
