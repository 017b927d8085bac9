"""Who may log in to the portal, and how they prove it."""
