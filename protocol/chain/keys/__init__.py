"""Keys of accounts: keystores, passwords, accounts that sign."""
