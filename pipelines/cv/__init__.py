"""Small operations on pictures and masks, mainly for workflows. Each module is a task type."""
