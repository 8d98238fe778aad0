"""Synthetic data of a preference: decisions, the answers that its utility implies, and the reasons."""
