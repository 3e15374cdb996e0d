"""From the store to Promoter: surveys first, then contacts, one request at a time, as the limit allows."""
