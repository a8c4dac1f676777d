"""Tables of numbers."""

from ftjax.research.tables import aligned


def test_rows_of_the_same_keys_stand_in_one_block():
  found = {
    "a": {"speed": 12345.6, "share": 0.98765},
    "longer": {"speed": 2.0, "share": float("nan")},
    "b": {"recall": 1},
  }
  assert aligned(found).split("\n") == [
    "         speed   share",
    "a       12,346  0.9877",
    "longer       2       -",
    "",
    "   recall",
    "b       1",
  ]
