"""Starts of training: k-means, splitting, random frames."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.mixtures.starts.initialisation import initialise_kmeans as initialise_kmeans
    from speakergmm.mixtures.starts.initialisation import initialise_random as initialise_random
    from speakergmm.mixtures.starts.initialisation import (
        initialise_splitting as initialise_splitting,
    )
    from speakergmm.mixtures.starts.kmeans_clustering import kmeans as kmeans
    from speakergmm.mixtures.starts.kmeans_clustering import lloyd as lloyd

__getattr__, __dir__ = lazy_names(__name__)
