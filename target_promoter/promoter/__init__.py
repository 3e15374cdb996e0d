"""Promoter, or what stands in its place: the API over HTTP, and what its answers mean."""
