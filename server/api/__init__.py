"""What clients see: our own routes, one file per subject, and foreign wire formats under `dialects`."""
