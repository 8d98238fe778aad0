"""Pricing markets."""
