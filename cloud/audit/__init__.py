"""Who changed what in the portal, and when."""
