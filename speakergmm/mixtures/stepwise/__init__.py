"""Mixtures that learn from a stream, block by block."""
