"""Choice of the number of components."""
