"""Batches: thousands of prompts as many jobs, through crashes and within a budget.

`batch.Batch` is the way in. `plan` splits prompts into jobs, `journal` remembers them,
`runner` posts and follows them, `output` writes what came of each prompt.
"""
