"""What the harness itself costs, per session and per event, beside plain clients."""
