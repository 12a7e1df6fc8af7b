"""What is laid over a checkpoint: LoRA, ControlNet, textual inversion, IP-Adapter."""
