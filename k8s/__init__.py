"""Manifests of a load test in a cluster, and what renders and validates them."""
