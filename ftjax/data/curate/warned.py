"""What a report warns of: filters that drop much, sources without rows, splits without rows."""

from __future__ import annotations

from typing import Any

from ftjax.data.clean.quality import KEYS
from ftjax.data.curate.gather import Table

_MANY = 0.1  # share of rows that a filter drops, above which it is a warning
_FILES = 100


def dropped(steps: list[dict[str, Any]]) -> list[str]:
  """A warning for each reason for which a filter dropped more than a tenth of the rows, with its key."""
  out = []
  for step in steps:
    for reason, count in step["dropped"].items():
      key = _key(step["name"], reason)
      if not key or count <= _MANY * step["in"]:
        continue
      detail = next((e["detail"] for e in step["examples"] if e["reason"] == reason), "")
      change = f"{'lower' if '.min_' in key else 'raise' if '.max_' in key else 'change'} {key}"
      out.append(
        f"{step['name']} dropped {count:,} of {step['in']:,} rows ({count / step['in']:.0%}) as {reason}"
        f"{f', such as one with {detail}' if detail else ''}. See them on the card; to keep such rows, {change}."
      )
  return out


def _key(step: str, reason: str) -> str:
  """The key of the config that decides on a reason; "" for what is no threshold or was asked for by name."""
  if step == "language":
    return "language.keep"
  return f"quality.{KEYS[reason]}" if step in ("quality", "length") and reason in KEYS else ""


def left_out(table: Table) -> list[str]:
  """What sources left out by their rules, file by file."""
  told = [message for stats in table.stats for message in stats["left_out"]]
  more = [f"and {len(told) - _FILES:,} more files with items that were left out"]
  return told[:_FILES] + more * (len(told) > _FILES)


def unread(sources: list[dict[str, Any]], bad: list[dict[str, str]]) -> list[str]:
  """A warning for each source that gave no row, with what was wrong first."""
  out = []
  for s in sources:
    if s["read"] or not s["bad"]:
      continue
    first = next(
      (f" The first: {b['message']}" for b in bad if b["place"].startswith(s["path"])), ""
    )
    out.append(f"Nothing could be read of the source {s['name']} ({s['path']}).{first}")
  return out


def unsplit(splits: dict[str, Any], shares: dict[str, Any]) -> list[str]:
  """A warning for each split that was asked for and has no row."""
  return [
    f"No row fell to {name}, though split.{name} is {shares[name]:g}: there are too few clusters. Cut documents into rows "
    "(rows=section or opening), raise the share, or name a source in `validation`."
    for name in ("validation", "test")
    if shares[name] and name not in splits
  ]
