"""The daemon on the terminal and the installer's command `grindvakt`; start reading in `edge.terminal`."""
