"""What becomes of a store whose config changes."""
