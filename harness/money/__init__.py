"""What a run may cost: what turns are expected to cost, and who may spend how much."""
