"""What a reader sees of an implant in gradient fields: its page with the scene, and the words of the terminal."""
