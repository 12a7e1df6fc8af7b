"""/aiapi/v1/mj: the Midjourney shape, on Stable Diffusion."""
