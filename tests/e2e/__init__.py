"""Tests of target-promoter."""
