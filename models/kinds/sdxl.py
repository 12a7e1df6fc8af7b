"""Stable Diffusion XL checkpoints."""

from models.kinds.checkpoint import checkpoint_family

FAMILY = checkpoint_family("sdxl", "models.diffusion.sdxl:load", unused_text_layers=1)
