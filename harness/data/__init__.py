"""
What callers and agents say, as shipped: FLAC files and an index of each kind.

Made by ``python -m harness.data.make`` with the voice of hibari-tts (Apache-2.0, see ``NOTICE``).
"""

__all__: list[str] = []
