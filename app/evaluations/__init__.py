"""Evaluations of this installation: what is asked, how it is run and stored, and how it is shown."""
