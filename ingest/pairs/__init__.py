"""Question-answer pairs: found in documents, read from files, made from passages, and filtered."""
