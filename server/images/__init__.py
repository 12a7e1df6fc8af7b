"""Image files: decoding, encoding and the text inside them."""
