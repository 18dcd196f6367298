"""Examples to weights, and the evaluation that decides whether they are better."""
