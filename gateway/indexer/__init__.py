"""The index: the market's events in SQL, in step with the chain.

`indexer` reads, `apply` writes, `projection` says what a job's events amount to, and
`models` holds the tables. `gateway.market_data` holds the queries.
"""
