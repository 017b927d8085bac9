"""The control visit: what the ledger here says of who is and was at work, without network."""
