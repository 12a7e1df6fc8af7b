"""Checkpoints: text encoder, denoiser and autoencoder of Stable Diffusion 1, 2 and XL."""
