"""Middlewares, one per file; server/api/app.py lists them in order."""
