"""Single values: read as taps deliver them, compared, matched, masked, and made into attributes."""
