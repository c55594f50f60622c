"""The result of an implant in gradient fields on disk, its power tensor included."""
