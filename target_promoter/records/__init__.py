"""What a record says: from a tap's stream to identify and track calls, in Segment's terms."""
