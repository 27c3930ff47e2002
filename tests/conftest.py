from hypothesis import settings

# A busy machine may take its time over an example; what is slow shows in benches.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")
