"""Stable Diffusion 1.x and 2.x checkpoints."""

from models.kinds.checkpoint import checkpoint_family

SD1 = checkpoint_family("sd1", "models.diffusion.sd1:load")
SD2 = checkpoint_family("sd2", "models.diffusion.sd1:load")
