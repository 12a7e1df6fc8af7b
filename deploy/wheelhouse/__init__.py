"""Gathers every wheel of the lock for a machine that has no internet access."""
