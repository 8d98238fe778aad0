"""From a network or an API to a probability for every label."""
