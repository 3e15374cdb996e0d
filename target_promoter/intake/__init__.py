"""From calls to what ought to be true at Promoter: people, wanted contacts, due surveys."""
