"""Denoiser passes compiled ahead of time: what is compiled, the compiling itself, and the packages."""
