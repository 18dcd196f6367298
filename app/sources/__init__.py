"""Where documents are synced from: folders, addresses, repositories, buckets, and when."""
