"""The chain: typed calls, events, transactions, keys, proofs and deployment.

The only package that imports web3. What leaves it are plain values: dataclasses,
strings, integers and bytes.
"""
