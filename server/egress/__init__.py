"""Guarded requests of the server to URLs that callers give."""
