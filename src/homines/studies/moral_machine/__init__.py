"""Moral dilemmas on any model, beside people and null policies."""
