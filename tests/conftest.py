import os

from hypothesis import settings

# A text model that runs on the developer's machine would answer otherwise than the rules do.
os.environ["REALTIME_NB_BRAIN"] = "rules"

# The same examples in every run, and none kept on disk; a loaded machine may be slow.
settings.register_profile("tests", deadline=None, derandomize=True, database=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(items):
    """Run the browser's tests last: Playwright keeps a loop running in the main thread, where others want their own."""
    items.sort(key=lambda item: "browser" in item.path.parts)
