"""Float checkpoints as Hugging Face writes them."""
