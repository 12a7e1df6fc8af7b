"""Tenants: keys, policies, usage."""
