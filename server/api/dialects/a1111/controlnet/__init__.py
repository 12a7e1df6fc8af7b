"""The ControlNet extension of the web UI: the units of requests, and the routes below /controlnet."""
