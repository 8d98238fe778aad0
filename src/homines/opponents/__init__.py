"""Opponents, one file each: classic strategies, every one a Policy."""
