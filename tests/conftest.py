from __future__ import annotations

import os

from hypothesis import settings

# The clock of a busy machine is no property of the code, so there is no deadline. The
# usual profile draws the same cases every time; `make test-deep` draws new ones.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
