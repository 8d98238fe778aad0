"""From choices to parameters: fit, intervals, identification, types of people, AMCE."""
