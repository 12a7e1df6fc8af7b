"""What decides which steps run together, and how many."""
