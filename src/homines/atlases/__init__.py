"""Atlases: one table and one page over models of every kind; a model a row, a file a section of columns."""
