"""Small steps on pictures and masks, for workflows above all; a task type each."""
