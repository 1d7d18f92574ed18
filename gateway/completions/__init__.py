"""The OpenAI API: wire forms, what they mean to the market, and answers."""
