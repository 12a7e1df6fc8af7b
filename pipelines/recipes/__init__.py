"""Parts of recipes that several task types share."""
