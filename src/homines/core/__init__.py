"""What every file needs: types, checks, the registry of specs, the run folder, number formats."""
