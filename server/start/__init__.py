"""The start of `hua serve` as a person sees it: toy models where there are none, and where to go when it is ready."""
