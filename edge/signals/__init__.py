"""Lights and buzzer: what can be shown, and what is shown now."""
