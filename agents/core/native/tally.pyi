def tally(
    columns: tuple[list[int], list[int], list[int], list[int], list[int]],
    begin: int,
    end: int,
    active: bytes,
    installs: bytes,
    sizes: tuple[int, int, int],
    /,
) -> tuple[
    list[tuple[int, int, int, int, int]], list[tuple[int, int, int, int]], list[tuple[int, int, int, int, int]]
]: ...
