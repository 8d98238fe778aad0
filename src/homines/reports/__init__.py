"""A run folder as tables, charts, a page, a model card, a console table."""
