"""Studies: whole experiments by name, one file a study."""
