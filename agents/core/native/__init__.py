"""The compiled part, in C: optional, built as the package is installed where there is a compiler.

``plain.c`` is the module: the plain part of the first fold. ``run.h`` folds, ``parsed.h`` reads records into columns,
``table.h`` numbers names, ``text.h`` reads JSON, times and UTF-8. Whatever is not beyond doubt is left to the
record-wise fold. Without it everything is as exact, and slower.
"""

from typing import TYPE_CHECKING

__all__ = ["IS_BUILT", "Plain"]

if TYPE_CHECKING:
    from agents.core.native.plain import Plain

    IS_BUILT: bool
else:
    try:
        from agents.core.native.plain import Plain
    except ImportError:
        Plain = None
    IS_BUILT = Plain is not None
