"""A record read column by column: the user's names for ftjax's, types checked, errors that name
the row's place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.plugin import did_you_mean

_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}

Message = dict[str, Any]  # {"role", "content"}; "weight": 0 for an answer that is not trained on


class Row:
  """A record seen through `fields`, with errors that name its place."""

  def __init__(self, record: Record, fields: Mapping[str, str], format: str):
    self.record, self.fields, self.format = record, fields, format

  def error(self, what: str) -> InputError:
    return InputError(f"{self.record.place}: {what}")

  def get(self, name: str, optional: bool = False) -> Any:
    """The value of ftjax's column `name`. optional: None when the row has no such column, unless
    the user named it."""
    column = self.fields.get(name, name)
    value = self.record.fields.get(column)
    known = column in self.record.fields or name not in self.fields
    if value is None and not (optional and known):  # A column that the user named must be there.
      columns = ", ".join(map(repr, self.record.fields))
      raise self.error(
        f"format {self.format} needs {column!r}, which this row lacks. The row has: {columns}. Map it: "
        f"data.fields.{name}=YOUR_COLUMN.{did_you_mean(column, self.record.fields)}"
      )
    return value

  def text(self, name: str, optional: bool = False) -> str:
    value = self.get(name, optional)
    return "" if value is None else self.string(value, name)

  def string(self, value: Any, name: str) -> str:
    if isinstance(value, bytes):
      try:
        return value.decode("utf-8")
      except UnicodeDecodeError as e:
        raise self.error(f"{name!r} is not UTF-8 text ({e.reason}).") from e
    if isinstance(value, (list, tuple)) and all(
      isinstance(p, dict) and p.get("type") == "text" for p in value
    ):
      return "".join(p["text"] for p in value)  # Content in parts, all of them text.
    if not isinstance(value, str):
      raise self.error(f"{name!r} must be text, but is {_kind(value)}.")
    return value

  def rows(self, name: str) -> list[Any]:
    value = self.get(name)
    if not isinstance(value, (list, tuple)) or not value:
      raise self.error(f"{name!r} must be a list of messages, but is {_kind(value)}.")
    return list(value)

  def message(self, m: Any) -> Message:
    """{"role", "content"} or sharegpt's {"from", "value"}."""
    if isinstance(m, dict):
      role, content = m.get("role", m.get("from")), m.get("content", m.get("value"))
      if role is not None and content is not None:
        role = self.string(role, "role")
        message = {"role": _ROLES.get(role, role), "content": self.string(content, "content")}
        return message if self._trained(m) else message | {"weight": 0}
    found = sorted(m) if isinstance(m, dict) else _kind(m)
    raise self.error(
      f'a message must be {{"role": ..., "content": ...}} or {{"from": ..., "value": ...}}, but has {found}.'
    )

  def _trained(self, m: dict[str, Any]) -> bool:
    """Whether a message may be trained on: its weight, as in OpenAI's fine-tuning format."""
    weight = m.get("weight")
    if weight is not None and weight not in (0, 1):
      raise self.error(f"a message's weight must be 0 (not trained on) or 1, but is {weight!r}.")
    return weight != 0

  def turns(self, role: str, value: Any) -> list[Message]:
    """One turn of text, or the messages that stand in its place."""
    if isinstance(value, dict):
      value = [value]
    if isinstance(value, (list, tuple)) and value and all(isinstance(m, dict) for m in value):
      if any("role" in m or "from" in m for m in value):
        return [self.message(m) for m in value]
    return [{"role": role, "content": self.string(value, role)}]

  def ints(self, name: str, low: int) -> np.ndarray:
    value = self.get(name)
    array = np.asarray(value) if isinstance(value, (list, tuple, np.ndarray)) else np.zeros(())
    if array.ndim != 1 or array.size < 2 or array.dtype.kind not in "iu":
      raise self.error(
        f"{name!r} must be a list of at least two whole numbers, but is {_kind(value)}."
      )
    if array.min() < low or array.max() > np.iinfo(np.int32).max:
      raise self.error(
        f"{name!r} holds {array.min()} to {array.max()}; ids are {low} to {np.iinfo(np.int32).max}."
      )
    return array.astype(np.int32)


def _kind(value: Any) -> str:
  shown = repr(value)
  return f"{type(value).__name__} {shown[:40] + '...' if len(shown) > 43 else shown}"
