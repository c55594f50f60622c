"""Q-matrices and virtual observation points on disk, in files of emdose and of other programs."""
