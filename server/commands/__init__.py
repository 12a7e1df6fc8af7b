"""What `hua` does beside running a role."""
