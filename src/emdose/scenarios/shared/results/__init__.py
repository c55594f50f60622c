"""What the result of every kind of scenario can do: tell its numbers, draw itself, write itself to files."""
