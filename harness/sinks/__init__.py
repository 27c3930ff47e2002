"""Where finished records go: callables that take each turn, session and second of health."""

__all__: list[str] = []
