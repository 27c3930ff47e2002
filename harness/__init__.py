"""Load tests for realtime voice endpoints that speak the OpenAI Realtime WebSocket protocol."""

__all__ = ["__version__"]

__version__ = "0.1.0"
