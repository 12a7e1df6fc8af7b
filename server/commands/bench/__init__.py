"""`hua bench`: how fast this machine paints, beside bare diffusers, written down as a report."""
