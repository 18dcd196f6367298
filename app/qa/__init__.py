"""The question-answer database: compiled, filtered, imported, exported, and what it still lacks."""
