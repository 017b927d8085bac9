"""What terminal and cloud must agree on: cards, decision, entries and their chain, tables, messages, topics, signatures."""
