"""Long documents as training rows: by choice the text itself, or a task that it answers.

The tasks turn text that people wrote into prompts that it answers, so that no answer is made up:
title -> article, title and headings -> article, a heading -> its section, the first paragraph ->
the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ftjax.config import InputError

CHOICES = ("text", "title", "outline", "section", "opening")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")

_TITLE = 'Write an article titled "{title}".'
_OUTLINE = 'Write an article titled "{title}" that follows this outline:\n\n{outline}'
_SECTION = 'Write the section "{path}" of an article titled "{title}".'
_SECTION_ALONE = 'Write the section "{path}" of an article.'
_OPENING = 'Continue the article titled "{title}":\n\n{opening}'
_OPENING_ALONE = "Continue this text:\n\n{opening}"
_REST, _BODY = "{rest}", "{section}"


@dataclass(frozen=True)
class Task:
  """fields: what templates may name, beside the document's own. prompt and response: the templates
  where the config has none; without a prompt the row is text."""

  fields: Mapping[str, Any]
  prompt: str = ""
  response: str = "{text}"


@dataclass(frozen=True)
class Section:
  """heading: "" for what stands before the first one. level: 1 to 6. path: the headings above and
  this one. body: the text below the heading, up to the next heading of any level."""

  heading: str
  level: int
  path: tuple[str, ...]
  body: str


def tasks(fields: Mapping[str, Any], rows: str, place: str) -> Iterator[Task]:
  """The rows that a document gives. fields: "text" in Markdown, and "title" if known.

  Raises InputError naming the place where the document lacks what the choice needs: a title,
  headings, a second paragraph.
  """
  text = fields["text"].strip()
  if rows == "text":
    yield Task({"text": text})
    return
  parts = list(sections(text))
  title, text = _titled(fields.get("title"), parts, text)
  found = {"text": text, "title": title, "outline": outline(parts, title)}
  lacking = lambda what: InputError(
    f"{place}: rows={rows} needs {what}, which this document has not."
  )
  if rows == "opening":
    opening, rest = _opening(text)
    if not rest:
      raise lacking("a second paragraph")
    asked = _OPENING if title else _OPENING_ALONE
    yield Task(found | {"opening": opening, "rest": rest}, asked, _REST)
    return
  if not title and rows in ("title", "outline"):
    raise lacking("a title")
  if rows == "title":
    yield Task(found, _TITLE)
  elif rows == "outline":
    if not found["outline"]:
      raise lacking("headings")
    yield Task(found, _OUTLINE)
  else:
    yield from _sections(parts, title, found, lacking)


def _sections(parts: list[Section], title: str, found: dict[str, Any], lacking) -> Iterator[Task]:
  named = [s for s in parts if s.body and s.heading and s.heading != title]
  if not named:
    raise lacking("a heading with text below it")
  asked = _SECTION if title else _SECTION_ALONE
  for section in named:
    path = [h for h in section.path if h != title]
    more = {"heading": section.heading, "section": section.body, "path": " > ".join(path)}
    yield Task(found | more, asked, _BODY)


def sections(text: str) -> Iterator[Section]:
  """A Markdown text by its headings (# lines, or underlined with = or -); lines in code fences are
  none."""
  above: list[tuple[int, str]] = []
  level, heading, body, fence = 0, "", [], ""
  for line in text.split("\n"):
    if found := _FENCE.match(line):
      mark = found[1]
      if not fence:
        fence = mark
      elif mark[0] == fence[0] and len(mark) >= len(fence):
        fence = ""
    new = None
    if not fence:
      if found := _HEADING.match(line):
        new = (len(found[1]), found[2])
      elif (found := _UNDERLINE.match(line)) and _alone(body):
        new = (1 if found[1][0] == "=" else 2, body.pop().strip())
    if new is None:
      body.append(line)
      continue
    yield from _section(level, heading, above, body)
    level, heading, body = new[0], _bare(new[1]), []
    above = [(n, h) for n, h in above if n < level] + [(level, heading)]
  yield from _section(level, heading, above, body)


def _section(
  level: int, heading: str, above: list[tuple[int, str]], body: list[str]
) -> Iterator[Section]:
  text = "\n".join(body).strip()
  if heading or text:
    yield Section(heading, level, tuple(h for _, h in above if h), text)


def _alone(body: list[str]) -> bool:
  """Whether the last line is a paragraph of its own, and no list, quote or table."""
  last = body[-1].strip() if body else ""
  return bool(last) and last[0] not in "-*+>|=" and (len(body) < 2 or not body[-2].strip())


def _bare(heading: str) -> str:
  """Without marks of emphasis, links, and the #s that may close it."""
  heading = heading.strip()
  opened = heading.rstrip("#")
  if not opened or opened[-1].isspace():
    heading = opened
  heading = re.sub(r"\[([^\[\]]*)\]\([^()]*\)", r"\1", heading)
  return " ".join(re.sub(r"(\*\*|__|`)", "", heading).split())


def _titled(title: Any, parts: list[Section], text: str) -> tuple[str, str]:
  """(title, the text without a first heading that only repeats it). Without a title of its own, the
  document has that of its first heading, if that is the only one of level 1."""
  title = " ".join(str(title or "").split())
  first = parts[0] if parts else Section("", 0, (), "")
  if not title and first.level == 1 and sum(s.level == 1 for s in parts) == 1:
    title = first.heading
  if first.heading and first.heading.casefold() == title.casefold():
    lines = text.split("\n")
    text = "\n".join(lines[1 if _HEADING.match(lines[0]) else 2 :]).strip()
  return title, text


def outline(parts: list[Section], title: str) -> str:
  """The headings as a nested list; "" for fewer than two."""
  named = [(s.level, s.heading) for s in parts if s.heading and s.heading != title]
  if len(named) < 2:
    return ""
  top = min(level for level, _ in named)
  return "\n".join(f"{'  ' * (level - top)}- {heading}" for level, heading in named)


def _opening(text: str) -> tuple[str, str]:
  """(the first paragraph that is no heading, what follows it)."""
  blocks = re.split(r"\n[ \t]*\n", text)
  for at, block in enumerate(blocks):
    lines = [line for line in block.split("\n") if not _HEADING.match(line)]
    if any(line.strip() for line in lines):
      return "\n".join(lines).strip(), "\n\n".join(blocks[at + 1 :]).strip()
  return "", ""
