"""Preferences from economics: measure, estimate, generate, fine-tune, measure again."""
