"""Autonomous-vehicle dilemmas."""
