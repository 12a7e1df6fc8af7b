"""The one guarded door for requests that the server makes."""
