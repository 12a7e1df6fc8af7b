"""Task types that are made of recipes or pictures of others. Each module is a task type."""
