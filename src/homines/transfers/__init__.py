"""Transfer: what agents do in scenarios outside their games, and what a training changed there."""
