"""A Singer target for Promoter: identify-like streams become contacts, track-like streams trigger surveys."""
