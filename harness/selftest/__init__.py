"""``realtime-harness selftest``: how far what is measured here is from what is true."""

__all__: list[str] = []
