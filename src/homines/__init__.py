"""homines: measure what an LLM agent prefers, align it to a written preference, verify what changed."""

__version__ = "0.1.0"
