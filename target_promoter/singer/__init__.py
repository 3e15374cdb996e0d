"""What a tap says: its lines, messages and batch files, mapped and validated."""
