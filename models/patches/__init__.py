"""Changes to a denoiser's forward pass: token merging, DeepCache, reference attention, circular padding."""
