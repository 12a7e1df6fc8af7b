"""Which steps have ended device processes, and how their successors learn of it."""
