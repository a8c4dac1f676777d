"""Subtitles and transcripts as speech: each line once, a paragraph for each turn."""

import pytest

from ftjax.data.sources._speech import labelled

ROLLING = """WEBVTT
Kind: captions

00:00:00.000 --> 00:00:02.000 align:start position:0%
the<00:00:00.500><c> keeper</c><00:00:01.000><c> wrote</c>

00:00:02.000 --> 00:00:02.010
the keeper wrote

00:00:02.010 --> 00:00:04.000
the keeper wrote
down the weather

00:00:04.000 --> 00:00:04.010
down the weather

00:00:04.010 --> 00:00:06.000
down the weather
every evening.
"""


def test_captions_that_roll_give_each_line_once(tmp_path, gather):
  (tmp_path / "a.vtt").write_text(ROLLING)
  assert gather("subtitles", tmp_path / "a.vtt") == (
    [{"text": "the keeper wrote down the weather every evening."}], [],
  )  # fmt: skip


def test_captions_that_grow_give_each_word_once(tmp_path, gather):
  cues = ["the", "the keeper", "the keeper wrote", "down"]
  text = "".join(f"{i}\n00:00:0{i},000 --> 00:00:0{i + 1},000\n{c}\n\n" for i, c in enumerate(cues))
  (tmp_path / "a.srt").write_text(text)
  assert gather("subtitles", tmp_path / "a.srt")[0] == [{"text": "the keeper wrote down"}]


def test_a_real_repetition_stays(tmp_path, gather):
  cues = ["No.", "No.", "Never.", "Why not?", "Because.", "I see."]
  text = "".join(f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\n{c}\n\n" for i, c in enumerate(cues))
  (tmp_path / "a.srt").write_text(text)
  assert gather("subtitles", tmp_path / "a.srt")[0] == [
    {"text": "No. No. Never. Why not? Because. I see."}
  ]


VTT = """WEBVTT - a title

NOTE
not said --&gt; by anyone

STYLE
::cue { color: red }

1
00:01.000 --> 00:02.000
<v.loud Ada>Good morning,</v>

2
00:02.000 --> 00:03.000
<v Ada>Bo &amp; all.</v>

bad
00:0x.000 --> 00:04.000
lost

00:00:05.000 --> 00:00:06.000
<v Bo><i>Good morning.</i></v>
- It rains.
"""


def test_speakers_are_kept_and_a_bad_cue_is_told(tmp_path, gather):
  (tmp_path / "a.vtt").write_text(VTT)
  rows, bad = gather("subtitles", tmp_path / "a.vtt")
  assert rows == [{"text": "Ada: Good morning, Bo & all.\n\nBo: Good morning. - It rains."}]
  assert len(bad) == 1 and "a.vtt:18: the times of this cue" in bad[0]


def test_srt_with_names_in_the_text_and_pauses(tmp_path, gather):
  text = (
    "1\r\n00:00:01,000 --> 00:00:02,000\r\n{\\an8}ADA: Good\r\nmorning.\r\n"
    "2\r\n00:00:02,000 --> 00:00:03,000\r\nBO: Yes.\r\n\r\n"
  )
  (tmp_path / "a.srt").write_bytes(text.encode("utf-8-sig"))
  assert gather("subtitles", tmp_path / "a.srt") == (
    [{"text": "ADA: Good morning.\n\nBO: Yes."}],
    [],
  )
  text = "".join(f"{i}\n00:00:{i}0,000 --> 00:00:{i}1,000\nLine {i}.\n\n" for i in range(1, 4))
  (tmp_path / "b.srt").write_text(text)
  assert gather("subtitles", tmp_path / "b.srt")[0] == [{"text": "Line 1.\n\nLine 2.\n\nLine 3."}]


@pytest.mark.parametrize(
  ("kind", "name", "text", "match"),
  [
    ("subtitles", "a.vtt", "WEBVTT\n\n", "no cue with words"),
    ("subtitles", "a.srt", "", "no cue with words"),
    (
      "transcript",
      "a.txt",
      "Nobody speaks here.\nhttps://example.org: a link\n",
      "no line names a speaker",
    ),
    ("transcript", "a.txt", "Ada:\n\n", "the transcript has no words"),
  ],
)
def test_a_file_without_words_is_told(tmp_path, gather, kind, name, text, match):
  (tmp_path / name).write_text(text)
  rows, bad = gather(kind, tmp_path / name)
  assert not rows and len(bad) == 1 and match in bad[0]


@pytest.mark.parametrize(
  "text",
  [
    "Ada Lind: Good morning.\nHow are you?\n\nBo: Well.\nBo: And you?\n",
    "[00:01:02] Ada Lind: Good morning.\n[00:01:04] How are you?\n(00:02) Bo: Well. And you?\n",
    "Ada Lind  00:01\nGood morning.\nHow are you?\n\nBo  00:04\nWell. And you?\n",
    "00:00:01 - Ada Lind: Good morning. How are you?\n00:00:05 --> 00:00:06 Bo: Well. And you?",
    "Ada Lind [00:01]: Good morning. How are you?\nBo [00:02]: Well. And you?",
    "**Ada Lind:** Good morning. How are you?\n>> Bo: Well. And you?",
  ],
)
def test_every_way_to_write_a_transcript_is_the_same(tmp_path, gather, text):
  (tmp_path / "a.txt").write_text(text)
  assert gather("transcript", tmp_path / "a.txt") == (
    [{"text": "Ada Lind: Good morning. How are you?\n\nBo: Well. And you?"}], [],
  )  # fmt: skip


def test_what_is_a_speaker():
  for line in (
    "Dr. Ada van Lind: x",
    "SPEAKER 1: x",
    "Jean-Luc O\u2019Hara (host): x",
    "\u00c9mile: x",
  ):
    assert labelled(line), line
  for line in (
    "He said: x",
    "https://example.org",
    "at 10:30 we met",
    "a note to all of us here: x",
    ": x",
  ):
    assert not labelled(line), line
