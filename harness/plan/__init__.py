"""What a load test will send, take and cost, said before it starts."""
