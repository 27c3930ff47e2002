"""What the master of a large swarm costs: simulated workers send it real messages."""
