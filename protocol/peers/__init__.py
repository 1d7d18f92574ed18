"""How IPFS nodes of the market find each other."""
