"""Valuations: what a model would rather have happen, whether one scale tells it, what its budgets say."""
