"""Best paths: alignment, decoding graphs, search, lattices."""
