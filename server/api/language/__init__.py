"""What the API does with words alone."""
