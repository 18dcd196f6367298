"""Learning: what was approved, clicked and brought becomes examples, and examples become models."""
