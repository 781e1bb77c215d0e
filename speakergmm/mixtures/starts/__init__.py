"""Where training may begin: k-means, splitting, random frames."""
