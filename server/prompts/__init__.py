"""Prompts before they reach a model: their grammar, and Chinese words in English."""
