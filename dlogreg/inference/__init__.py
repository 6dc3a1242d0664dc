"""Tests and intervals that need the rows again: many models in shared passes."""
