"""The YAML header of a dataset card, by which the Hugging Face hub and `datasets` know the languages,
the licence and which files are which split (hub docs: "Dataset Cards", "Manual Configuration")."""

from __future__ import annotations

import json
from typing import Any

from ftjax.data.card.licences import of_all
from ftjax.text.shown import shown

_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B",
          "10B<n<100B", "100B<n<1T")  # fmt: skip
_LANGUAGE_SHARE = 0.01  # of the rows: below it a language is more likely a mistake of the detector


def header(report: dict[str, Any], title: str) -> str:
  """The header, its rules included. Strings are quoted as JSON, which YAML reads."""
  rows = sum(split["rows"] for split in report.get("splits", {}).values())
  lines = ["---", f"pretty_name: {json.dumps(shown(title), ensure_ascii=False)}", "license:"]
  lines += [f"- {name}" for name in of_all(s.get("licence", "") for s in report.get("sources", []))]
  languages = _languages(report.get("languages", {}))
  lines += ["language:", *(f"- {json.dumps(code)}" for code in languages)] if languages else []
  lines += ["size_categories:", f"- {_size(rows)}", "task_categories:", "- text-generation"]
  lines += ["configs:", "- config_name: default", "  data_files:"]
  for name in report.get("splits", {}):
    lines += [f"  - split: {name}", f'    path: "data/{name}-*.parquet"']
  return "\n".join([*lines, "---"]) + "\n"


def _size(rows: int) -> str:
  return _SIZES[min(max(0, len(str(rows)) - 3), len(_SIZES) - 1)]


def _languages(counts: dict[str, int]) -> list[str]:
  total = sum(counts.values())
  known = [code for code in counts if code.isalpha() and 2 <= len(code) <= 3 and code != "und"]
  return sorted(
    (c for c in known if counts[c] >= _LANGUAGE_SHARE * total), key=lambda c: (-counts[c], c)
  )
