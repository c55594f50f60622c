"""Commands about files of other programs."""
