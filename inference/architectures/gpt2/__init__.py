"""Everything that knows GPT-2; nothing outside `inference.architectures` does."""
