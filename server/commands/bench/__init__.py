"""`hua bench`: measures the speed of this machine, compares it with plain diffusers, and writes a report."""
