"""Prompt sets, objectives, three trainers, data, and the life of a run."""
