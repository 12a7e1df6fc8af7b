"""One forward pass of a batch: its rows, CUDA graphs and compiled code."""
