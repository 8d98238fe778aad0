"""A model that answers typed questions over HTTP, from exact probabilities of the options."""
