"""What every role's process has: event loop, HTTP listener, health server."""
