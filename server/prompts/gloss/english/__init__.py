"""English forms that a gloss needs."""
