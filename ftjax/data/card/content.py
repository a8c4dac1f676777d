"""What the card says, in order: a report as sections of blocks."""

from __future__ import annotations

from typing import Any

from ftjax.data.card import blocks as b
from ftjax.data.card import figures, steps
from ftjax.data.card.numbers import count, number, percent
from ftjax.data.lengths import EXACT
from ftjax.sizes import told

Report = dict[str, Any]
_BAD = 20  # Places of bad input that are shown at once; the rest is folded away.
_UNITS = {"text": "documents", "messages": "conversations", "preference": "preference pairs"}


def title(report: Report) -> str:
  """The sources' names, or the version where there are none."""
  parent = f"version {report.get('parent')}"  # of which the line below the title tells
  names = [s["name"] for s in report.get("sources", []) if s.get("name") not in (None, "", parent)]
  if not names:
    return f"Dataset {report.get('version', '')[:12]}".strip()
  return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def subtitle(report: Report) -> str:
  """What kind of rows, which version, when, and what it was made from."""
  unit = _UNITS.get(report.get("kind", ""), report.get("kind", ""))
  parts = [unit, f"version {report.get('version', '')}", _when(report.get("created", ""))]
  if report.get("parent"):
    parts.append(f"an update of {report['parent']}")
  return " · ".join(p for p in parts if p)


def _when(created: str) -> str:
  """An ISO 8601 time to the minute."""
  return f"prepared {created[:16].replace('T', ' ')}" if created else ""


def warnings(report: Report) -> list[str]:
  """The report's own, and one for sources whose licence nobody has stated."""
  unknown = [s.get("name", "?") for s in report.get("sources", []) if not s.get("licence")]
  out = list(report.get("warnings", []))
  if unknown:
    out.append(
      f"The licence of {', '.join(unknown)} is not stated. Find out before you train on it or pass it on, and say it: "
      "'licence' of the source in the config."
    )
  return out


def sections(report: Report) -> list[b.Section]:
  """All sections that have something to say."""
  made = [
    _summary(report),
    _sources(report),
    _splits(report),
    _lengths(report),
    steps.section(report),
    steps.duplicates(report),
    _private(report),
    figures.languages(report),
    figures.balance(report),
    figures.diversity(report),
    _bad(report),
    _samples(report),
    _use(report),
    figures.settings(report),
  ]
  return [section for section in made if section.blocks]


def written(report: Report) -> int:
  """The rows of all splits."""
  return sum(split["rows"] for split in report.get("splits", {}).values())


def _summary(report: Report) -> b.Section:
  read = sum(s.get("read", 0) for s in report.get("sources", []))
  rows, splits = written(report), report.get("splits", {}).values()
  tokens = sum(s.get("tokens", 0) for s in splits)
  found = report.get("duplicates", {})
  removed = found.get("exact", 0) + found.get("near", 0)
  bad = sum(s.get("bad", 0) for s in report.get("sources", []))
  private, secret = (sum(report.get(key, {}).values()) for key in ("pii", "secrets"))
  kept = f"of {number(read)} read, {percent(rows / read)}" if read else ""
  tiles = [
    b.Tile("rows kept", number(rows), kept),
    b.Tile("tokens", number(tokens), f"as {report.get('tokenizer', '')} counts"),
    b.Tile("duplicates removed", number(removed), f"{number(found.get('near', 0))} of them near"),
    b.Tile("personal data found", number(private), f"and {count(secret, 'secret')}"),
    b.Tile("bad input", number(bad), "rows that could not be read"),
  ]
  blocks: list[Any] = [b.Tiles(tiles)]
  if alerts := warnings(report):
    blocks.append(b.Alerts(alerts))
  return b.Section("summary", "At a glance", [*blocks, *steps.funnel(report)])


def _sources(report: Report) -> b.Section:
  rows = [
    [
      s.get("name", ""),
      s.get("licence") or "not stated",
      s.get("read", 0),
      s.get("bad", 0),
      s.get("kept", 0),
      b.Measure(told(s.get("bytes", 0))),
      b.Code(str(s.get("path", ""))),
    ]
    for s in report.get("sources", [])
  ]
  header = ("source", "licence", "read", "bad", "kept", "size", "path")
  table = b.Table("Sources, their licences and how many rows each gave", header, rows)
  return b.Section("sources", "Sources and licences", [table] if rows else [])


def _splits(report: Report) -> b.Section:
  splits, total = report.get("splits", {}), written(report)
  rows = [
    [
      name,
      s.get("rows", 0),
      b.Share(s.get("rows", 0) / total if total else 0.0),
      *(s.get(key, 0) for key in ("words", "tokens", "trained_tokens")),
    ]
    for name, s in splits.items()
  ]
  header = ("split", "rows", "share", "words", "tokens", "trained on")
  caption = f"Splits; tokens as {report.get('tokenizer', 'the tokenizer')} counts them"
  out: list[Any] = [b.Table(caption, header, rows)] if rows else []
  if out and report.get("kind") == "preference":
    out.append(b.Text("Words and tokens are those of the prompt and the chosen answer.", "quiet"))
  return b.Section("splits", "Splits", out)


def _lengths(report: Report) -> b.Section:
  out: list[Any] = []
  for unit, found in report.get("lengths", {}).items():
    if not found or not sum(found.get("counts", [])):
      continue
    shown = found.get("percentiles", {})
    mean = f", {number(found['mean'])} on average" if "mean" in found else ""
    told = ", ".join(f"{name} {_length(name, value)}" for name, value in shown.items())
    out += [
      b.Heading(unit.capitalize()),
      b.Histogram(f"Rows by {unit}", found["edges"], found["counts"], unit, shown),
      b.Text(f"{unit.capitalize()} of a row: {told}{mean}.", "quiet"),
    ]
  return b.Section("lengths", "Lengths", out)


def _length(name: str, value: int) -> str:
  """A percentile, which is known to within 2% (ftjax/data/lengths.py)."""
  return f"about {number(value)}" if name != "max" and value >= EXACT else number(value)


def _private(report: Report) -> b.Section:
  out: list[Any] = []
  for key, name in (("pii", "Personal data"), ("secrets", "Secrets")):
    if found := report.get(key):
      rows = sorted(found.items(), key=lambda item: (-item[1], item[0]))
      out.append(b.Table(f"{name} found, by kind", ("kind", "found"), rows))
    elif key in report:
      out.append(b.Text(f"{name}: none found."))
  if out:
    out.append(b.Text("Only counts are kept here, never the values.", "quiet"))
  return b.Section("private", "Personal data and secrets", out)


def _bad(report: Report) -> b.Section:
  said = lambda bad: bad["message"].removeprefix(f"{bad['place']}: ")
  rows = [[b.Code(bad["place"]), said(bad)] for bad in report.get("bad", [])]
  total = sum(s.get("bad", 0) for s in report.get("sources", []))
  if not rows:
    return b.Section("bad", "Bad input", [])
  table = lambda part: b.Table(
    "Input that could not be read, and where", ("place", "what is wrong"), part
  )
  out: list[Any] = [b.Text(f"{count(total, 'row')} could not be read and were left out.")]
  out.append(table(rows[:_BAD]))
  if rows[_BAD:]:
    out.append(b.More(f"{len(rows) - _BAD} more", [table(rows[_BAD:])]))
  return b.Section("bad", "Bad input", out)


def _samples(report: Report) -> b.Section:
  items = [
    b.Excerpt([s["split"], b.Code(s["place"])], s["text"]) for s in report.get("samples", [])
  ]
  out: list[Any] = [b.Excerpts(items[:2])] if items else []
  if items[2:]:
    out.append(b.More(count(len(items) - 2, "more row"), [b.Excerpts(items[2:])]))
  return b.Section("samples", "Some rows as they are written", out)


def train_command(folder: str, kind: str) -> str:
  """The command that trains on a version of this kind."""
  chosen = " --config.data.format=messages" if kind == "preference" else ""
  return f"python scripts/train.py --config=configs/sft.py --config.data.train={folder}{chosen} --workdir=runs/mine"


def _use(report: Report) -> b.Section:
  version = report.get("version", "VERSION")
  train = train_command("THIS_FOLDER", report.get("kind", ""))
  again = (
    f"python scripts/prepare_data.py --config=CONFIG.py --config.output=OUTPUT --replay {version}"
  )
  hub = "hf upload OWNER/NAME THIS_FOLDER --repo-type=dataset"
  load = 'datasets.load_dataset("THIS_FOLDER")  # Python'
  first = "Train on it" + (", on the chosen answers" * (report.get("kind") == "preference"))
  return b.Section(
    "use",
    "How to use it",
    [
      b.Text(f"{first}; open it elsewhere; make it again, to the same hash; push it to a hub."),
      b.Listing("\n".join((train, load, again, hub))),
    ],
  )
