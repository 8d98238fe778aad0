"""Tennant, Hailes, Musolesi 2025."""
