"""Reads the tensors of model files, and fills nets with them: whole, or refused by name."""
