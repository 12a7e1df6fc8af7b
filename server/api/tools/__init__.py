"""`/v1/tools`."""
