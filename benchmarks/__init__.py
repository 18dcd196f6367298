"""Measurements of speed, memory and quality. Ratios of two things measured side by side in one run."""
