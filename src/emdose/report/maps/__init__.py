"""Pictures of volumes and three-dimensional scenes."""
