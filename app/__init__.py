"""Composition: HTTP, command line, jobs, database, settings and wiring."""
