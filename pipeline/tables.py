"""The one style of the tables that commands print: legible at 80 columns and in a pipe."""

from collections.abc import Collection

import rich.box
import rich.table


def listing(*names: str, right: Collection[str] = (), fold: Collection[str] = ()) -> rich.table.Table:
    """Return an empty table with a line below its heading and no frame.

    Args:
      names: of the columns.
      right: columns of numbers, aligned to the right.
      fold: columns whose text may take several lines where the terminal is narrow; the others stay whole.
    """
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        justify = "right" if name in right else "left"
        table.add_column(name, justify=justify, no_wrap=name not in fold, overflow="fold")  # type: ignore[arg-type]
    return table
