"""The audit of words: whether a prompt, or a text that a model has written, may be used."""
