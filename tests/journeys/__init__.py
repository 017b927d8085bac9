"""Stories over real processes: what a worker, an installer or an attacker does, and what is true afterwards."""
