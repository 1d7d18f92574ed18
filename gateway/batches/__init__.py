"""Files of calls, and batches: what a job of many prompts is to an OpenAI client."""
