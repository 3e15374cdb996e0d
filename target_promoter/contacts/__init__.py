"""What a contact should look like at Promoter, what was sent last, what differs."""
