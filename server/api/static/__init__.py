"""The page at `/`: its sources, what is built of them, and how that is served."""
