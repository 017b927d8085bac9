"""What terminal and cloud must agree on: cards, decision, entries and chain, tables, messages, topics, signatures."""
