from hypothesis import settings

# The same examples in every run, and none kept on disk; a loaded machine may be slow.
settings.register_profile("tests", deadline=None, derandomize=True, database=None)
settings.load_profile("tests")
