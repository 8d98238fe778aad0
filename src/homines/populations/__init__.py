"""Populations: agents that meet in pairs, which of them spread, and what a population of them earns."""
