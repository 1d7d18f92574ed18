"""What a requester asks: prompts, how to decode, tasks, and files of them."""
