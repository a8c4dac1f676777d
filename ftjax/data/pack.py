"""Packing: which rows share one row of a batch.

bin 0   |aaaaaaaaaaaaaaaaabbbbbbbbbcc.|     segments 1 1 1 ... 2 2 2 ... 3 3 0
"""

from collections.abc import Sequence


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
  """Best-fit decreasing: the longest row first, each into the fullest bin that still has room for
  it.

  lengths: the places each row takes, none above `capacity`. Returns the rows of each bin,
  ascending; bins are ordered by their first row. Fills no more than 11/9 of the fewest possible
  bins, plus 6/9 (Dosa et al., 2013: as for first-fit decreasing).

  A bit set of the room that is left finds the fullest bin in one step, so a million rows take
  seconds.
  """
  bins: list[list[int]] = []
  by_room: list[list[int]] = [[] for _ in range(capacity + 1)]  # by_room[r]: bins with room r
  rooms = 0  # Bit r is set when by_room[r] is not empty.
  for row in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
    length = lengths[row]
    if length > capacity:
      raise ValueError(f"row {row} takes {length} places, and a bin has {capacity}")
    enough = rooms >> length
    if enough:
      room = (enough & -enough).bit_length() - 1 + length
      bin_ = by_room[room].pop()
      if not by_room[room]:
        rooms &= ~(1 << room)
      bins[bin_].append(row)
    else:
      room, bin_ = capacity, len(bins)
      bins.append([row])
    room -= length
    by_room[room].append(bin_)
    rooms |= 1 << room
  return sorted(sorted(rows) for rows in bins)


def in_order(lengths: Sequence[int], capacity: int) -> list[list[int]]:
  """Rows packed as they come: a new bin begins when the next row does not fit into the last. Keeps
  the order, at the price of some filling."""
  bins: list[list[int]] = []
  room = -1
  for row, length in enumerate(lengths):
    if length > capacity:
      raise ValueError(f"row {row} takes {length} places, and a bin has {capacity}")
    if length > room:
      bins.append([])
      room = capacity
    bins[-1].append(row)
    room -= length
  return bins
