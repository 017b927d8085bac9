"""PIV cards (NIST SP 800-73-5): what they say, how they prove themselves, and a simulator of them."""
