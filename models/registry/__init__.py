"""Which models are loaded: loaders, the cache of loaded models, and handles that pin them."""
