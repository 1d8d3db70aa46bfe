"""The embedded voice server: what works with no key. Its speech parts come with the extra ``local``."""
