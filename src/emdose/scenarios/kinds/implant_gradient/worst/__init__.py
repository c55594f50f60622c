"""The worst that an exposure can do: power and temperature over orientations of the implant and places in the bore."""
