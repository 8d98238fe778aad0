"""Valuations: what a model would rather have happen, on one scale where there is one, and what its budgets say."""
