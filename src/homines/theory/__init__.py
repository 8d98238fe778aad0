"""Choice, game forms, exact chains, markets, Q-learning: numpy and scipy, no language model."""
