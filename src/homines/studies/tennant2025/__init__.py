"""Intrinsic moral rewards in the iterated prisoner's dilemma, and other games."""
