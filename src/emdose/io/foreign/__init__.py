"""Fields of other programs, as they lie in their files, with what those files say of them."""
