"""The compiled part, in C: optional, built as the package is installed where there is a compiler.

``plain.c`` is the module: the plain part of the first fold. ``records.h`` holds records as a fetch brought them,
``parsed.h`` reads them into columns, ``run.h`` folds, asking the state through ``host.h``; ``table.h`` numbers names,
``text.h`` reads JSON and times. Whatever is not beyond doubt is left to the record-wise fold. Without the compiled part
everything is as exact, and slower.
"""

from typing import TYPE_CHECKING

__all__ = ["IS_BUILT", "Plain", "Records"]

if TYPE_CHECKING:
    from agents.core.native.plain import Plain, Records

    IS_BUILT: bool
else:
    try:
        from agents.core.native.plain import Plain, Records
    except ImportError:
        Plain, Records = None, ()
    IS_BUILT = Plain is not None
