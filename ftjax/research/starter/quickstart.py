"""The quickstart's fine-tuning set: briefs, and copy in the voice of one small invented brand."""

import json
from pathlib import Path

from ftjax.research.starter import quickstart_facts as brand
from ftjax.research.starter.writer import Writer, finish

SEED = 1
COPIES = 3


def quickstart_rows(seed: int = SEED) -> list[dict[str, str]]:
  """160 briefs, each with `COPIES` different copies in successive rows.

  Several copies of a brief are what makes an overlap score with several references mean
  something. They stand together so that a split can keep a brief on one side.
  """
  w = Writer(f"quickstart {seed}")
  names = w.shuffle(f"{first} {rank}" for first in brand.FIRST for rank in brand.RANK)
  products = [
    (kind, several, theme, feature)
    for kind, several, theme, features in brand.PRODUCTS
    for feature in features.split("|")
  ]
  rows = []
  for name, (kind, several, theme, feature) in zip(names, w.shuffle(products), strict=False):
    facts = {
      "plural": several,
      "product": f"{name} {kind}",
      "price": f"£{w.number(*brand.PRICE_BANDS[theme])}",
      "audience": w.pick(brand.AUDIENCES),
      "feature": feature,
      "tone": w.pick(sorted(brand.SIGN_OFFS)),
    }
    prompt = w.fill(
      "product: {product} | price: {price} | for: {audience} | feature: {feature} | tone: {tone}",
      facts,
    )
    rows += [{"prompt": prompt, "completion": copy} for copy in _copies(w, facts, theme)]
  return rows


def write_quickstart(path: str | Path) -> None:
  """The rows as JSON lines."""
  lines = (json.dumps(row, ensure_ascii=False) for row in quickstart_rows())
  Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _copies(w: Writer, facts: dict[str, str], theme: str) -> list[str]:
  """No two copies of a brief share a sentence but the sign-off, which belongs to the tone."""
  tone = facts["tone"]
  parts = (brand.GREETINGS, brand.INTRODUCTIONS, brand.FEATURES, brand.QUIPS[theme],
           brand.ASIDES[tone], brand.PRICES)  # fmt: skip
  copies = []
  for greeting, introduction, feature, quip, aside, price in zip(
    *(w.sample(part, COPIES) for part in parts), strict=True
  ):
    middle = w.shuffle((aside, price))
    sentences = (greeting, introduction, feature, *middle, brand.SIGN_OFFS[tone])
    copies.append(finish(" ".join(w.fill(each, facts | {"quip": quip}) for each in sentences)))
  return copies
