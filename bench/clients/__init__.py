"""The clients that are compared, each a process of its own."""
