"""`hua models`: what an operator can learn about the models, and do with them."""
