"""Games, one file each: a function named as the file."""
