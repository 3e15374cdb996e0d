"""The commands beside the target itself, each in a module of its own."""
