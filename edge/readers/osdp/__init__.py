"""Readers on an RS-485 bus: OSDP version 2 over Secure Channel, each with a key of its own."""
