"""What outlives a run: people, contacts, surveys, rejected records, the request limit's clock."""
