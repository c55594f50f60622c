"""B1+ maps as scanners and their converters write them."""
