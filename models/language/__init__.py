"""Models that write text: captions and longer prompts."""
