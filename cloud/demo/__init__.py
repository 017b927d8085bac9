"""The demonstration: a simulated construction site on this machine, with the real cloud, broker and terminals."""
