"""Task types that are made of recipes of others: matting, control maps, inpainting. Each module is a task type."""
