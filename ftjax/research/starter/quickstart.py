"""The quickstart's fine-tuning set: briefs, and copy in the voice of one small invented brand."""

import json
from pathlib import Path

from ftjax.research.starter import quickstart_facts as brand
from ftjax.research.starter.writer import Writer, articles, finish, plural

SEED = 1
COUNT = 1_600


def quickstart_rows(seed: int = SEED) -> list[dict[str, str]]:
  """`COUNT` briefs, each with its copy. No two have a name's first word or a feature in common, so
  that whatever is held out must be copied and cannot be remembered."""
  w = Writer(f"quickstart {seed}")
  names, features = _different(w, _name), _different(w, _feature)
  rows = []
  for name, feature in zip(names, features, strict=True):
    kind, several, theme = w.pick(brand.PRODUCTS)
    facts = {
      "plural": several,
      "product": f"{name} {w.pick(brand.RANK)} {kind}",
      "price": f"£{w.number(*brand.PRICE_BANDS[theme])}{w.pick(('', '', '', '.50', '.95'))}",
      "audience": w.pick(brand.AUDIENCES),
      "feature": feature,
      "tone": w.pick(sorted(brand.SIGN_OFFS)),
    }
    prompt = w.fill(
      "product: {product} | price: {price} | for: {audience} | feature: {feature} | tone: {tone}",
      facts,
    )
    rows.append({"prompt": prompt, "completion": _copy(w, facts, theme)})
  return rows


def write_quickstart(path: str | Path) -> None:
  """The rows as JSON lines."""
  lines = (json.dumps(row, ensure_ascii=False) for row in quickstart_rows())
  Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _different(w: Writer, draw) -> list[str]:
  drawn: dict[str, None] = {}
  while len(drawn) < COUNT:
    drawn[draw(w)] = None
  return list(drawn)


def _name(w: Writer) -> str:
  return w.pick(brand.HEADS) + w.pick(brand.MIDDLES) + w.pick(("", "", *brand.ENDS))


def _feature(w: Writer) -> str:
  part = f"{w.pick(brand.LOOKS)} {w.pick(brand.PARTS)}"
  friends, count = plural(w.pick(brand.FRIENDS)), w.pick(brand.COUNTS)
  return articles(
    w.pick(
      (f"a {part}", f"a {part}", f"{count} {plural(part)}", f"room for {count} {friends}",
       f"a {w.pick(brand.PARTS)} for {friends}")
    )
  )  # fmt: skip


def _copy(w: Writer, facts: dict[str, str], theme: str) -> str:
  """One text; the sign-off belongs to the tone."""
  tone = facts["tone"]
  greeting, introduction, feature, quip, aside, price = map(
    w.pick,
    (brand.GREETINGS, brand.INTRODUCTIONS, brand.FEATURES, brand.QUIPS[theme], brand.ASIDES[tone],
     brand.PRICES),
  )  # fmt: skip
  sentences = (greeting, introduction, feature, *w.shuffle((aside, price)), brand.SIGN_OFFS[tone])
  return finish(" ".join(w.fill(each, facts | {"quip": quip}) for each in sentences))
