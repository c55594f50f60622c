"""Metal on the edges and faces of the Yee grid."""
