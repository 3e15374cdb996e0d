"""A survey's life: waiting, queued, claimed, settled; and what keeps one from being sent."""
