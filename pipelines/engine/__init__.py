"""The loop that makes images: recipes yield what is to be denoised, the engine batches it step by step."""
