"""The first hours on a GPU: whether Hua computes right there, how fast it is, and where the time goes."""
