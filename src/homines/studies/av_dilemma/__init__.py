"""Self versus others in self-driving cars: what is right, bought, voted for."""
