"""Reads from a picture or a text how an image was made, as params of a task."""
