"""Subtitles, WebVTT and SubRip (.vtt, .srt): what was said, as text.

WebVTT: https://www.w3.org/TR/webvtt1/. Captions that roll, as live and automatic ones do, show each
line again while the next appears; each line is taken once.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._reading import DEFAULT, Reading, document
from ftjax.data.sources._speech import as_text, ends, joined, labelled

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[^ \t>.]*)*[ \t]+([^<>]+)>")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
_ROLLING = 0.3  # share of cues that repeat the line before, from which on a file counts as rolling
_PAUSE = 4.0  # seconds of silence after a sentence that begin a new paragraph
_WORDS = 120  # a paragraph without pauses ends with the sentence after so many


@dataclass
class Cue:
  """start, end: seconds. lines: (speaker or "", words)."""

  start: float
  end: float
  lines: list[tuple[str, str]]


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"text"} a file, paragraphs with "Name: " where speakers are named. Tells `bad` of
  each cue whose times cannot be read, and of a file without words."""
  text = document(path, bad, how)
  if text is None:
    return
  cues = list(_cues(text.removeprefix("\ufeff"), path, bad))
  said = speech(unrolled(cues))
  if said:
    yield Record({"text": said}, path)
  else:
    bad(InputError(f"{path}: the file has no cue with words in it."))


def _cues(text: str, path: str, bad: Bad) -> Iterator[Cue]:
  lines, at = text.split("\n"), 0
  while at < len(lines):
    if "-->" not in lines[at]:  # A header, number, note, style or region.
      at += 1
      continue
    found, place = _TIMING.match(lines[at]), f"{path}:{at + 1}"
    given = lines[at].strip()
    at += 1
    begin = at
    while at < len(lines) and lines[at].strip() and "-->" not in lines[at]:
      at += 1
    body = lines[begin:at]
    if at < len(lines) and "-->" in lines[at] and body and body[-1].strip().isdigit():
      body.pop()  # The number of the next cue, where no empty line stands between.
    if not found:
      bad(InputError(f"{place}: the times of this cue cannot be read: {given[:60]!r}."))
      continue
    yield Cue(_seconds(*found.groups()[:4]), _seconds(*found.groups()[4:]), _said(body))


def _seconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> float:
  return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{thousandths}")


def _said(lines: list[str]) -> list[tuple[str, str]]:
  out, speaker = [], ""
  for line in lines:
    voice = _VOICE.search(line)
    speaker = html.unescape(voice[1]).strip() if voice else speaker
    words = " ".join(html.unescape(_TAG.sub("", line)).split())
    if words:
      out.append((speaker, words))
  return out


def unrolled(cues: list[Cue]) -> list[Cue]:
  """Cues without the lines that only show again what the cue before had said. A file in which few
  cues do so has real repetitions, and is left."""
  out, before, repeated = [], None, 0
  for cue in cues:
    if not cue.lines:
      continue
    fresh = list(cue.lines)
    if before and cue.start - before.end < 0.5:
      most = min(len(fresh), len(before.lines))
      shared = next((n for n in range(most, 0, -1) if before.lines[-n:] == fresh[:n]), 0)
      repeated += bool(shared)
      fresh = fresh[shared:]
      last, first = before.lines[-1], fresh[0] if fresh else None
      if first and not shared and first[0] == last[0] and first[1].startswith(last[1] + " "):
        repeated += 1
        fresh[0] = (first[0], first[1][len(last[1]) + 1 :])  # The line grew by some words.
    out.append(Cue(cue.start, cue.end, fresh))
    before = cue
  return out if repeated > _ROLLING * len(out) else cues


def speech(cues: list[Cue]) -> str:
  """Cues as paragraphs: one for each turn of a speaker; without speakers, one until a pause."""
  turns: list[tuple[str, str]] = []
  speaker, paragraph, end = "", 0, 0.0
  counted = 0
  for cue in cues:
    for name, words in cue.lines:
      said = labelled(words)
      if name:
        speaker = name
      elif said:
        speaker, words = said
      elif new := re.match(r"(?:>>+|[-–])\s*(?=\S)", words):  # Another speaker, not named.
        speaker, words, paragraph = "", words[new.end() :], paragraph + 1
      long = counted > _WORDS or cue.start - end > _PAUSE
      if not speaker and turns and long and ends(turns[-1][1]):
        paragraph, counted = paragraph + 1, 0
      turns.append((speaker or f"\0{paragraph}", words))
      counted += len(words.split())
      end = cue.end
  return as_text([("" if name[0] == "\0" else name, words) for name, words in joined(turns)])
