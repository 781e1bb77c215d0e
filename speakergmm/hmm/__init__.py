"""Hidden Markov models with Gaussian-mixture emissions: pure functions of features and labels."""
