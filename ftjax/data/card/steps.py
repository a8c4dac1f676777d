"""The sections on what preparation dropped, changed and found twice."""

from __future__ import annotations

from typing import Any

from ftjax.data.card import blocks as b
from ftjax.data.card.figures import folded
from ftjax.data.card.numbers import count, number, percent

Report = dict[str, Any]


def funnel(report: Report) -> list[Any]:
  """How many rows are left after each step, from what was read to what was written."""
  read = sum(s.get("read", 0) for s in report.get("sources", []))
  left, rows = read, [["read", read, b.Share(1.0), ""]]
  if not read:
    return []

  def add(name: str, out: int) -> None:
    nonlocal left
    if out != left:
      lost = max(0, left - out) / read
      rows.append([name, out, b.Share(out / read, "kept", lost), _signed(out - left)])
    left = out

  steps = report.get("steps", [])
  for step in [s for s in steps if not _is_later(s)]:
    add(step["name"], left - (step["in"] - step["out"]))
  found = report.get("duplicates", {})
  add("exact duplicates", left - found.get("exact", 0))
  add("near duplicates", left - found.get("near", 0))
  for step in filter(_is_later, steps):
    add(step["name"], left - step["in"])
  written = sum(split["rows"] for split in report.get("splits", {}).values())
  add("others", written)
  rows.append(["written", written, b.Share(written / read), ""])
  return [
    b.Table("Rows left after each step", ("after", "rows left", "of those read", "change"), rows)
  ]


def _signed(change: int) -> b.Measure:
  return b.Measure(f"+{number(change)}" if change > 0 else f"\u2212{number(-change)}")


def _is_later(step: dict[str, Any]) -> bool:
  """Whether it is no step but what was left out after all of them, duplicates included: caps, rows
  too much like held-out ones."""
  return step["in"] > 0 and not step["out"] and sum(step["dropped"].values()) == step["in"]


def section(report: Report) -> b.Section:
  """One part for each step that did something."""
  out: list[Any] = []
  idle = []
  for step in report.get("steps", []):
    if any(step.get(key) for key in ("dropped", "changed", "counts", "examples")):
      out += _step(step, [report.get(key) for key in ("languages", "pii", "secrets")])
    else:
      idle.append(step["name"])
  if idle:
    out.append(b.Text(f"Found nothing to do: {', '.join(idle)}.", "quiet"))
  return b.Section("steps", "What each step dropped and changed", out)


def _step(step: dict[str, Any], elsewhere: list[Any]) -> list[Any]:
  """elsewhere: counts that have a section of their own."""
  lost = sum(step.get("dropped", {}).values())
  told = []
  if lost:
    told.append(
      f"{number(lost)} of {number(step['in'])} rows dropped ({percent(lost / step['in'])})"
    )
  if step.get("changed"):
    told.append(f"{number(step['changed'])} changed")
  if _is_later(step):
    told = [f"{count(lost, 'row')} left out"]
  told = told or ["Nothing dropped or changed, only counted"]
  out: list[Any] = [b.Heading(step["name"]), b.Text("; ".join(told) + ".")]
  largest = lambda found: sorted(found.items(), key=lambda item: (-item[1], item[0]))
  if step.get("dropped"):
    rows = [[b.Code(r), n, b.Share(n / lost, "lost")] for r, n in largest(step["dropped"])]
    caption = f"Rows that {step['name']} dropped, by reason"
    out.append(b.Table(caption, ("reason", "rows dropped", "of the dropped"), rows))
  if step.get("counts") and step["counts"] not in elsewhere:
    rows = [[b.Code(name), n] for name, n in largest(step["counts"])]
    out.append(b.Table(f"What {step['name']} counted", ("found", "times"), rows))
  if step.get("examples"):
    items = [
      b.Excerpt(
        [x for x in (e.get("reason"), e.get("detail"), b.Code(e.get("place", ""))) if x],
        e.get("before", ""),
        e["after"] if e.get("after") and e["after"] != e.get("before") else None,
      )
      for e in step["examples"]
    ]
    out.append(b.More(count(len(items), "example"), [b.Excerpts(items)]))
  return out


def duplicates(report: Report) -> b.Section:
  """How many, how alike, how large the clusters, and pairs side by side."""
  found = report.get("duplicates")
  if not found:
    return b.Section("duplicates", "Duplicates", [])
  named = (
    ("exact", "exact duplicates removed"),
    ("near", "near duplicates removed"),
    ("clusters", "clusters of rows that repeat each other or share a prompt"),
    ("against_validation", "rows left out because a validation row is like them"),
    ("straddling", "rows left out because they tie training rows to held-out ones"),
  )
  rows = [[label, found[key]] for key, label in named if key in found]
  out: list[Any] = [b.Table("Duplicates, in figures", ("what", "how many"), rows)]
  alike = found.get("similarity", {})
  if sum(alike.get("counts", [])):
    out += [
      b.Heading("How alike near duplicates are"),
      b.Histogram(
        "Near duplicates by Jaccard similarity", alike["edges"], alike["counts"], "similarity", {}
      ),
    ]
  if sizes := found.get("clusters_of"):
    most = max(sizes.values())
    rows = [
      [f"{key} rows", sizes[key], b.Share(sizes[key] / most, "plain")]
      for key in sorted(sizes, key=lambda k: (len(k), k))
    ]
    out.append(b.Heading("How large the clusters are"))
    out += folded("Clusters by size", ("rows in it", "clusters", ""), rows)
  if found.get("examples"):
    out.append(b.More(count(len(found["examples"]), "pair"), [b.Excerpts(_pairs(found))]))
  return b.Section("duplicates", "Duplicates", out)


def _pairs(found: dict[str, Any]) -> list[b.Excerpt]:
  return [
    b.Excerpt(
      [
        f"similarity {number(float(e['similarity']))}",
        *([e["why"]] if e.get("why") else []),
        b.Code(e["kept"]["place"]),
        b.Code(e["removed"]["place"]),
      ],
      e["kept"]["text"],
      e["removed"]["text"],
      ("kept", "removed"),
    )
    for e in found["examples"]
  ]
