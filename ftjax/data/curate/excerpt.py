"""Excerpts for reports: short, where the change is, and without personal data."""

from __future__ import annotations

import os

from ftjax.data.example import Example

_LIMIT = 300
_BEFORE = 60  # characters shown before the first difference
_HIDDEN = 20_000  # characters of a text that are looked at


def text_of(example: Example) -> str:
  """A row for people: its document, or prompt and answer."""
  if example.kind == "text":
    return example.text
  parts = [f"{m['role']}: {m['content']}" for m in example.messages]
  if example.rejected:
    parts.append("rejected: " + example.rejected[-1]["content"])
  return "\n".join(parts)


def excerpt(text: str) -> str:
  """The beginning of a text, with personal data and secrets masked."""
  return _short(_hide(text[:_HIDDEN]), 0)


def pair(before: Example, after: Example | None) -> dict[str, str]:
  """{"before", "after"}: excerpts from a little before the first difference on. after: None for a
  row that was dropped."""
  old = text_of(before)
  if after is None:
    return {"before": excerpt(old), "after": ""}
  new = text_of(after)
  at = len(os.path.commonprefix([old, new]))
  from_ = max(0, at - _HIDDEN // 2)  # A change far into a text is shown too.
  old, new, at = old[from_:][:_HIDDEN], new[from_:][:_HIDDEN], at - from_
  start = max(0, len(_hide(old[:at])) - _BEFORE) if at > _BEFORE else 0
  return {"before": _short(_hide(old), start), "after": _short(_hide(new), start)}


def _hide(text: str) -> str:
  from ftjax.data.clean.steps import hide

  return hide(text)


def _short(text: str, start: int) -> str:
  lead = "..." if start else ""
  tail = "..." if len(text) > start + _LIMIT else ""
  room = _LIMIT - len(lead) - len(tail)
  return lead + text[start : start + room] + tail
