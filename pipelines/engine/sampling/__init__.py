"""Samplers, extracted from diffusers into tables of coefficients."""
