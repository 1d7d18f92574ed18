"""The native engine: the integer model in C, for any CPU, with no library beneath it.

It is built at set-up if there is a C compiler. Importing this package needs numpy
only; the library is loaded when a model is made.
"""

from inference.native.library import is_built
from inference.native.model import NativeModel

__all__ = ["NativeModel", "is_built"]
