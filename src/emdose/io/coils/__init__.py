"""Files of coils: tables and lists of points, VTK lines, surfaces of metal."""
