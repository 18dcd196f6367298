"""Evidence to a cited answer: prompt, models, citations and the check of every sentence."""
