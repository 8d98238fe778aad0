"""A person answers the prompts that a model would get, and is recorded in the same format."""
