from array import array

Columns = tuple[array[int], array[int], array[int], array[int], array[int], array[int]]
Five = tuple[int, int, int, int, int]

def pre_aggregate(
    columns: Columns,
    begin: int,
    end: int,
    active: bytes,
    installs: bytes,
    widths: bytes,
    sizes: tuple[int, int, int, int],
    /,
) -> tuple[list[Five], list[tuple[int, int, int, int]], list[Five], list[tuple[int, ...]]] | None: ...
