"""XML files: a WordPress export or a feed, told apart by how they begin."""

from collections.abc import Iterator

from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources import feed, wxr
from ftjax.data.sources._reading import DEFAULT, PackedError, Reading, open_input

_HEAD = 1 << 16


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """The records of `wxr` or `feed`. Tells `bad` of a file that is neither."""
  try:
    with open_input(path, how) as f:
      head = f.read(_HEAD)
  except PackedError as e:
    bad(e)
    return
  source = wxr if b"wordpress.org/export/" in head else feed
  yield from source.records(path, bad, how)
