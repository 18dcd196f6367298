"""Bytes to documents to passages: parsing, cleaning and cutting. Pure functions over bytes and text."""
