"""An IPFS node of our own: Kubo as a library behind the RPC that its clients speak.

``python -m devnet.kubo --repo DIR --port PORT`` runs it. A supervisor serves HTTP and
reads local blocks; Kubo itself lives in a child process, because a fetch of content
that nobody has does not return and can only be ended with its process.
"""
