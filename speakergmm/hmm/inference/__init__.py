"""Recursions over sparse graphs: forward, backward, Viterbi."""
