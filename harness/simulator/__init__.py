"""A realtime endpoint with known latency, in a process of its own."""
