"""People, the companies they work for and the cards they hold."""
