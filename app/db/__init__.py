"""The database: the truth that everything else is derived from."""
