"""The command `grindvakt`."""
