"""Text and vectors: encode, index, search, fuse, and the metrics of retrieval."""
