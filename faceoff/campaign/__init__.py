"""The testbed: grids of pairs, plans, alphas, encodings and victims, a row for each cell, and reports over the rows."""
