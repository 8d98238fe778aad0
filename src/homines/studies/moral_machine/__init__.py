"""Moral Machine."""
