"""The sections on languages, balance and diversity, and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftjax.data.card import blocks as b
from ftjax.data.card.numbers import number, seconds

Report = dict[str, Any]
_SHOWN = 8  # Lines of a list of shares that are shown at once; the rest is folded away.
_UNJUDGED = {"short": "too short to judge", "unknown": "not recognised", "": "not recognised"}
_PARTS = {"source": "Sources", "category": "Categories", "template": "Prompts of one form",
          "length": "Lengths of answers"}  # fmt: skip

_FIGURES = {
  "rows": "rows looked at, a random sample",
  "distinct_1": "different words, of all words",
  "distinct_2": "different pairs of words, of all pairs",
  "distinct_3": "different runs of three words, of all",
  "self_repetition": "rows with a run of four words that another row has too",
  "openings": "Openings that come more than once",
}


def languages(report: Report) -> b.Section:
  counts = report.get("languages", {})
  total = sum(counts.values())
  rows = [
    [_UNJUDGED.get(code, code), n, b.Share(n / total)]
    for code, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if total
  ]
  header = ("language", "rows", "share")
  out = folded("Rows by language", header, rows)
  if out:
    out.append(b.Text("Of the rows that came to this step, duplicates included.", "quiet"))
  return b.Section("languages", "Languages", out)


def balance(report: Report) -> b.Section:
  limit = _nested(report.get("settings", {}), "balance", "max_share")
  words = "words" if report.get("kind") == "text" else "words of answers"
  out: list[Any] = []
  for part, groups in report.get("balance", {}).items():
    if not isinstance(groups, Mapping) or not groups:
      continue
    name = _PARTS.get(part, part.capitalize())
    if part == "length" and report.get("kind") == "text":
      name = "Lengths"
    bound = limit if part == "template" or part != "length" and len(groups) > 1 else None
    rows = [_group(key, group, bound) for key, group in groups.items()]
    if part != "length":  # which come in their own order
      rows.sort(key=lambda row: -row[1])
    header = (part, "rows", words, "share of rows")
    out += [b.Heading(name), *folded(f"Rows by {part}", header, rows)]
  return b.Section("balance", "Balance", out)


def _group(key: str, group: Mapping[str, Any], limit: float | None) -> list[Any]:
  share = group.get("share", 0.0)
  over = limit is not None and share > limit
  return [key or "(none)", group.get("rows", 0), group.get("words", 0), b.Share(share, "lost" if over else "kept")]  # fmt: skip


def diversity(report: Report) -> b.Section:
  """Numbers in one table, and each list of counts or shares in its own."""
  found = report.get("diversity", {})
  single = [
    [_FIGURES.get(k, _plain(k)), v] for k, v in found.items() if isinstance(v, (int, float))
  ]
  out: list[Any] = []
  if single:
    out.append(b.Table("Figures of diversity", ("figure", "value"), single))
  for key, value in found.items():
    if isinstance(value, Mapping) and value:
      shares = all(isinstance(n, float) and n <= 1 for n in value.values())
      rows = [[name, b.Share(n) if shares else n] for name, n in value.items()]
      name = _FIGURES.get(key, _plain(key))
      header = ("text", "share of rows" if shares else "times")
      out += [b.Heading(name), *folded(name, header, rows)]
  return b.Section("diversity", "Diversity", out)


def settings(report: Report) -> b.Section:
  """Folded away: every key of the config, and how long each stage took."""
  out: list[Any] = []
  rows = [[b.Code(key), _value(value)] for key, value in _flat(report.get("settings", {}))]
  if rows:
    table = b.Table("Keys of the config and their values", ("key", "value"), rows)
    out.append(b.More(f"All {number(len(rows))} settings", [table]))
  times = [[stage, b.Measure(seconds(value))] for stage, value in report.get("seconds", {}).items()]
  if times:
    table = b.Table("How long each stage took", ("stage", "time"), times)
    out.append(b.More("How long each stage took", [table]))
  return b.Section("settings", "Settings", out)


def folded(caption: str, header: tuple[str, ...], rows: list[list[Any]]) -> list[Any]:
  """A table of the first rows, and the others folded away."""
  out: list[Any] = [b.Table(caption, header, rows[:_SHOWN])] if rows else []
  if rows[_SHOWN:]:
    out.append(
      b.More(f"{number(len(rows) - _SHOWN)} more", [b.Table(caption, header, rows[_SHOWN:])])
    )
  return out


def _plain(key: str) -> str:
  text = str(key).replace("_", " ")
  return text[:1].upper() + text[1:]


def _nested(mapping: Any, *keys: str) -> Any:
  for key in keys:
    mapping = mapping.get(key) if isinstance(mapping, Mapping) else None
  return mapping


def _flat(mapping: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
  out: list[tuple[str, Any]] = []
  for key, value in mapping.items():
    out += (
      _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else [(before + key, value)]
    )
  return out


def _value(value: Any) -> Any:
  return value if isinstance(value, str) and value else b.Code(repr(value))
