"""A task's way through the server: submission, lookup, input images, callback replay."""
