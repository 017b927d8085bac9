"""The front of a simulated terminal as a page on this machine: only `grindvakt run --simulate` loads it."""
