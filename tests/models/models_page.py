"""The table of docs/models.md, from the families' modules and tests/families.py.

`python -m tests.models.models_page` writes it into the page; tests/models/test_docs.py fails where
it is out of date.
"""

import re
from pathlib import Path

from ftjax import plugin
from ftjax.models.hf import FAMILIES
from tests.families import VARIANTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
HEADER = "| model_type | published models | checked | float32 | bfloat16 |\n|---|---|---|---|---|"


def table() -> str:
  """A line for each family: its models, its variants, and the widest bounds of these."""
  lines = [HEADER]
  for kind in plugin.names(FAMILIES):
    mine = {name: v for name, v in VARIANTS.items() if v.kind == kind}
    if not mine:
      raise SystemExit(f"{kind} has no line in tests/families.py")
    more = [name.partition(", ")[2] for name in mine]
    checked = "; ".join(name or "as it is" for name in more)
    exact, half = max(v.exact for v in mine.values()), max(v.half for v in mine.values())
    models = plugin.load(FAMILIES, kind).MODELS
    lines.append(f"| `{kind}` | {models} | {checked} | {exact:g} | {half:.0%} |")
  return "\n".join(lines)


def page(text: str) -> str:
  """The page with its table as it should be."""
  between = re.compile(r"(<!-- table -->\n).*(<!-- end -->)", re.DOTALL)
  return between.sub(lambda m: f"{m[1]}{table()}\n{m[2]}", text)


if __name__ == "__main__":
  PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
