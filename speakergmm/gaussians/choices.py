"""The words that options of Gaussians take; nothing heavy is imported here."""

from typing import Literal

Precision = Literal["float32", "float64"]
"""Precision in which densities within a block of frames are computed."""

CovarianceType = Literal["spherical", "diag", "tied", "full"]
"""Kind of the covariances: a variance for each Gaussian, for each feature of each Gaussian, one
matrix for all, or a matrix for each Gaussian."""
