"""B1+ in layered cylinders, whose properties EPT must find again."""
