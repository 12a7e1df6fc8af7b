"""Parameters that several task types share."""
