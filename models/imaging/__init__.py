"""Pixel arithmetic that needs no net: masks, tiles, affine warps, histograms."""
