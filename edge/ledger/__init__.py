"""The ledger: written before anybody sees green, checked, salvaged where it is damaged, kept and read."""
