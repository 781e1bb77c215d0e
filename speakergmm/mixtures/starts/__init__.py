"""Where training may begin: k-means, splitting, random frames."""

from speakergmm.mixtures.starts.kmeans import kmeans, lloyd

__all__ = ["kmeans", "lloyd"]
