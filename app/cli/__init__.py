"""The command line ``footnote``."""
