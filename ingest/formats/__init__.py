"""One module per format: text or bytes in, a parsed document out."""
