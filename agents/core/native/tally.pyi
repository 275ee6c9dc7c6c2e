from array import array

def tally(
    columns: tuple[array[int], array[int], array[int], array[int], array[int]],
    begin: int,
    end: int,
    active: bytes,
    installs: bytes,
    sizes: tuple[int, int, int],
    /,
) -> (
    tuple[list[tuple[int, int, int, int, int]], list[tuple[int, int, int, int]], list[tuple[int, int, int, int, int]]]
    | None
): ...
