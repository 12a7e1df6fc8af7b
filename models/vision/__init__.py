"""Nets that read or repair pixels: upscalers, erasers, matting, control maps, safety."""
