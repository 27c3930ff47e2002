"""The realtime protocol, Sans-I/O: it knows no clock, socket, Locust or metric."""
