"""Training of hidden Markov models from sequences and transcripts."""
