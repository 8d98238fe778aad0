"""The local page: runs listed, reports opened, a run followed, a game played. Loopback only."""
