"""A record read column by column: the user's names for ftjax's, types checked, errors that name
the row's place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.plugin import did_you_mean
from ftjax.text import messages
from ftjax.text.messages import Message, kind


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

  def at(self, name: str) -> str:
    """The row's place and the user's column of ftjax's `name`, for errors."""
    return f"{self.record.place}: {self.fields.get(name, name)!r}"

  def text(self, name: str, optional: bool = False) -> str:
    value = self.get(name, optional)
    return "" if value is None else messages.text(value, self.at(name))

  def turns(self, role: str, name: str, trained: bool = True) -> list[Message]:
    """One turn of text, or the messages that stand in its place. trained: False = answers among them
    are trained on only where their weight is 1."""
    return self.said(role, self.get(name), self.at(name), trained)

  def said(self, role: str, value: Any, where: str, trained: bool = True) -> list[Message]:
    """`turns` of a value that is no column."""
    listed = [value] if isinstance(value, dict) else value
    if isinstance(listed, (list, tuple)) and any(
      isinstance(m, dict) and ("role" in m or "from" in m) for m in listed
    ):
      return messages.normal(listed, where, trained)
    text = messages.text(value, where)
    if role == "assistant" and not text.strip():
      raise InputError(
        f"{where}: no trained token: the answer is empty. Write one, or remove the row."
      )
    return [{"role": role, "content": text}]

  def finished(self, turns: list[Message]) -> list[Message]:
    """A whole conversation: with the system column's text and the tools that the row offers."""
    system = self.text("system", optional=True)
    if system and not any(m["role"] == "system" for m in turns):
      turns = [{"role": "system", "content": system}, *turns]
    name = next((n for n in ("tools", "functions") if self.record.fields.get(n)), "tools")
    return messages.offering(turns, self.record.fields.get(name), self.at(name))

  def ints(self, name: str, low: int) -> np.ndarray:
    value = self.get(name)
    array = np.asarray(value) if isinstance(value, (list, tuple, np.ndarray)) else np.zeros(())
    if array.ndim != 1 or array.size < 2 or array.dtype.kind not in "iu":
      raise self.error(
        f"{name!r} must be a list of at least two whole numbers, but is {kind(value)}."
      )
    if array.min() < low or array.max() > np.iinfo(np.int32).max:
      raise self.error(
        f"{name!r} holds {array.min()} to {array.max()}; ids are {low} to {np.iinfo(np.int32).max}."
      )
    return array.astype(np.int32)
