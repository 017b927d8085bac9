"""The customers' terminals: where each is bound and how it is."""
