"""Linear-Gaussian models of supervectors and embeddings: mathematics without audio or files.

Factor analysis on the statistics of a mixture (total variability, inter-session variability,
joint factor analysis), and the analysis of the vectors that come of it.
"""

from speakergmm.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__)
