"""Stable Diffusion checkpoints: 1.x, 2.x and XL."""

from models.kinds.checkpoint import checkpoint_family

SD1 = checkpoint_family("sd1", "models.diffusion.sd1:load")
SD2 = checkpoint_family("sd2", "models.diffusion.sd1:load")
SDXL = checkpoint_family("sdxl", "models.diffusion.sdxl:load", unused_text_layers=1)
