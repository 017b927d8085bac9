"""What goes between cloud and terminals over MQTT, and what is kept for it."""
