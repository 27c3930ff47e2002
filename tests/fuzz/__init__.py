"""Calls to a simulated endpoint, drawn at random, on one clock of their own, held against it."""
