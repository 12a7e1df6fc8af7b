"""The logs in SQLite files."""
