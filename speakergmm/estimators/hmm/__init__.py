"""The interface of hmmlearn on the hidden Markov models."""
