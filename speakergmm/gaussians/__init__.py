"""Gaussians of every kind: evaluation, statistics and updates; under mixtures and HMMs."""
