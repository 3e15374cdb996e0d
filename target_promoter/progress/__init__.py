"""What a run tells while it goes and when it ends."""
