"""A person in a model's place."""
