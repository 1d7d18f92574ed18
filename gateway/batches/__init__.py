"""OpenAI's files and batches: files of calls, run as jobs of many prompts."""
