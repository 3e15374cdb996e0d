"""What the store knows, told: read once, then shown on a terminal, as JSON, or as a page."""
