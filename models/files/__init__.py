"""What model files say about themselves in their headers, without reading a tensor."""
