"""Lines of a web page that are not its text: cookie notices, share buttons, navigation, pleas to
subscribe, copyright footers.

Line by line, as C4 (Raffel et al. 2020, section 2.2: lines with "javascript", "terms of use",
"cookie policy" and the like) and RefinedWeb (Penedo et al. 2023, appendix G.2: lines that are
counters, or short and of a known phrase). The rules here are narrower than either: a line goes only
when it is short and nothing but the thing, so that an article about cookies keeps its text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ftjax.data.clean.code import blocks
from ftjax.data.example import Drop, Example

_LONGEST = 300  # Characters of a line that is looked at; more is prose.


def _has(pattern: str) -> Callable[[str], Any]:
  return re.compile(pattern).search


def _is(pattern: str, longest: int = 100) -> Callable[[str], Any]:
  whole = re.compile(rf"\W{{0,4}}(?:{pattern})\W{{0,4}}\Z").match
  return lambda line: len(line) <= longest and whole(line)


_COOKIES = _has(
  r"\b(?:(?:this|our) (?:web ?)?(?:site|page)|we|and our partners) (?:also )?uses? (?:[\w-]+ ){0,3}cookies\b"
  r"|\bby (?:continuing|using|browsing|clicking|accessing).{0,80}\b(?:cookies|terms of (?:use|service)|privacy policy)"
  r"|\b(?:accept|manage|reject|allow) (?:all |the |your )?cookies?\b|\bcookie (?:policy|settings|preferences|notice|consent)\b"
  r"|\b(?:privacy policy|terms (?:of (?:use|service)|and conditions|& conditions))\s*(?:[|·•/]|and|&|$)"
)
_SCRIPT = _has(
  r"\b(?:enable|turn on|activate|requires?|need|without) (?:javascript|cookies)\b"
  r"|\bjavascript (?:is|must be|needs to be|has been|seems to be) (?:currently )?(?:disabled|enabled|required|turned off)"
  r"|\bbrowser (?:does not|doesn't) support (?:javascript|html5|the video|iframes|inline frames)"
)
_SUBSCRIBE = _has(
  r"\b(?:subscribe|sign[- ]?up|join|register)\b.{0,60}\b(?:newsletters?|mailing list|e-?mail (?:list|updates|alerts))\b"
  r"|\bsubscribe (?:now|today|here|to (?:our|my|the|this) (?:blog|channel|feed|podcast))\b"
  r"|\b(?:enter|submit|provide) your e-?mail(?: address)?\b|\b(?:get|receive) (?:the latest|our) .{0,40}\b(?:in|to) your inbox\b"
)
_COPYRIGHT = _has(
  r"(?:©|\(c\)|&copy;|\bcopyright)\W{0,5}(?:copyright )?(?:19|20)\d\d|\ball rights reserved\b|(?:19|20)\d\d\W{0,3}©"
  r"|^\W{0,3}(?:proudly )?powered by (?:wordpress|drupal|joomla|shopify|blogger|ghost|wix)\b"
)
_COUNTER = _is(
  r"(?:\d[\d,.]*[km]?|no|one|leave an?|add an?|post an?|view all|show)\s+"
  r"(?:new )?(?:likes?|comments?|repl(?:y|ies)|shares?|views?|retweets?|followers?|votes?|reviews?|items? in cart)"
)
_PHRASE = _is(
  r"skip to (?:main )?(?:content|navigation)|back to (?:the )?top|(?:continue|keep) reading.{0,60}|read (?:more|full story|on)"
  r"|learn more|load more|show (?:more|less)|see (?:more|all)|view (?:more|all)"
  r"|click here(?: to (?:view|read|see|subscribe|download|learn|continue|enter|register)\b.{0,40})?"
  r"|(?:next|previous|older|newer) (?:post|article|page|story|entries|posts)s?|log ?in|log ?out|sign ?in|sign ?up|my account"
  r"|main menu|toggle navigation|advertisement|sponsored(?: content)?|related (?:posts|articles|stories)"
  r"|you (?:may|might) also (?:like|enjoy)|leave a (?:reply|comment)|cancel reply|print this page|add to cart"
)
_SHARE = {
  "share", "tweet", "pin", "pinterest", "facebook", "twitter", "x", "linkedin", "whatsapp", "telegram", "reddit", "tumblr",
  "instagram", "youtube", "google", "plus", "email", "e-mail", "print", "mail", "messenger", "copy", "link", "flipboard",
  "pocket", "digg", "stumbleupon", "like", "follow", "us", "me", "on", "via", "this", "it", "to", "by", "with", "and", "post",
  "article", "page", "a", "friend", "save", "more", "loading", "opens", "in", "new", "window", "click", "social", "media",
}  # fmt: skip
_NETWORKS = {
  "share", "tweet", "facebook", "twitter", "pinterest", "linkedin", "whatsapp", "reddit",
}  # fmt: skip
_PLACES = {
  "home", "about", "about us", "contact", "contact us", "login", "log in", "sign in", "sign up", "register", "blog", "news",
  "faq", "faqs", "help", "support", "search", "menu", "shop", "store", "cart", "my account", "account", "privacy", "terms",
  "privacy policy", "terms of use", "terms of service", "sitemap", "site map", "careers", "jobs", "press", "services",
  "products", "gallery", "events", "archive", "archives", "categories", "tags", "advertise", "legal", "imprint", "impressum",
  "datenschutz", "kontakt", "rss", "subscribe", "forum", "forums", "portfolio", "team", "home page", "homepage",
}  # fmt: skip
_PARTS = re.compile(r"\s*[|»›•·>/]\s*|\s{2,}|\t")
_WORD = re.compile(r"[\w'-]+")


def _share(line: str) -> bool:
  words = _WORD.findall(line) if len(line) <= 150 else []
  return 0 < len(words) <= 14 and not _NETWORKS.isdisjoint(words) and _SHARE.issuperset(words)


def _navigation(line: str) -> bool:
  if _PHRASE(line):
    return True
  parts = [p.strip() for p in _PARTS.split(line.strip(" |»›•·>/[]"))]
  known = sum(p in _PLACES for p in parts)
  return len(parts) >= 3 and known >= 2 and max(len(p.split()) for p in parts) <= 4


# (name in the report, what a line must contain one of, the rule), for lines in lower case. The first
# that holds is counted.
_RULES: tuple[tuple[str, tuple[str, ...], Callable[[str], Any]], ...] = (
  ("javascript", ("javascript", "browser", "enable cookies"), _SCRIPT),
  ("cookies", ("cookie", "privacy policy", "terms "), _COOKIES),
  ("newsletter", ("subscribe", "newsletter", "mailing list", "e-mail", "email", "inbox"), _SUBSCRIBE),
  ("copyright", ("©", "(c)", "copyright", "all rights reserved", "powered by"), _COPYRIGHT),
  ("counter", ("like", "comment", "repl", "share", "view", "tweet", "follower", "vote", "cart"), _COUNTER),
  ("share", tuple(_NETWORKS), _share),
  ("navigation", ("",), _navigation),
)  # fmt: skip


def rule_of(line: str) -> str:
  """The rule by which a line is boilerplate, or ""."""
  if len(line) > _LONGEST:
    return ""
  line = line.strip().lstrip("#*-").strip().lower()
  if not line:
    return ""
  rules = (n for n, marks, holds in _RULES if any(m in line for m in marks) and holds(line))
  return next(rules, "")


@dataclass(frozen=True)
class Boilerplate:
  """Counts the lines removed by rule. Conversations are left alone: who asks for a plea to
  subscribe gets one. A document that is nothing else is dropped."""

  name: ClassVar[str] = "boilerplate"

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop:
    found: Counter[str] = Counter()
    kept = [part if code else self._lines(part, found) for code, part in blocks(example.text)]
    if not found:
      return example
    counts.update(found)
    text = "".join(kept)
    if not text.strip():
      return Drop("nothing_else", f"all {found.total()} lines")
    return replace(example, text=text)

  def _lines(self, text: str, found: Counter[str]) -> str:
    kept = []
    for line in text.split("\n"):
      if rule := rule_of(line):
        found[rule] += 1
      else:
        kept.append(line)
    return "\n".join(kept)


def make(settings: Mapping[str, Any]) -> Boilerplate | None:
  """settings: `config.clean`."""
  return Boilerplate() if settings["boilerplate"] else None
