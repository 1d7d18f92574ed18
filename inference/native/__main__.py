"""Says so if this installation has no native engine: `python -m inference.native`."""

import sys

from inference.errors import NativeUnavailable
from inference.native.library import load_library


def main() -> None:
    """Writes a line about an engine that is missing, which is no failure."""
    try:
        load_library()
    except NativeUnavailable as error:
        sys.stderr.write(f"setup: {error}. Until then the torch engine is used.\n")


if __name__ == "__main__":
    main()
