"""What a hidden Markov model is: topologies, transitions, tying, densities."""
