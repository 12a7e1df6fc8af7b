"""Engines that translate clauses: a dictionary, a model, a language model at an endpoint."""
