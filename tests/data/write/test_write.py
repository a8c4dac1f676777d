"""Writers: what is written is what ftjax reads again, whole or not at all, and what a format cannot
say is refused by name."""

import json

import pytest

from ftjax.config import InputError
from ftjax.data import format as formats
from ftjax.data.example import Example, Origin
from ftjax.data.read import read
from ftjax.data.write import alpaca, jsonl, openai

ORIGIN = Origin("shop", "rows.csv", 7, "cc0-1.0", "2024-05-01", "https://example.org/a")
ODD = 'quote " backslash \\ line\nbreak\ttab \u2028 🐟 \x00 <b>'


def chat(*contents, origin=ORIGIN, **more):
  roles = ("user", "assistant")
  messages = tuple({"role": roles[i % 2], "content": c} for i, c in enumerate(contents))
  return Example(messages=messages, origin=origin, **more)


SYSTEM = Example(
  messages=({"role": "system", "content": "Be brief."}, *chat("a", "b", "c", ODD).messages)
)
PAIR = Example(
  messages=chat("Name a fish.", "Cod.").messages,
  rejected=({"role": "assistant", "content": "Cow."},),
  origin=ORIGIN,
)
CHATS = [chat(ODD, "yes"), chat("a", ODD, "c", "d", title="T", category="C", weight=0.5), SYSTEM]


def messages_again(path, kind):
  records = read(str(path))
  assert formats.detect(records) == kind
  return [tuple(formats.to_messages(r, kind)) for r in records]


def test_our_rows_are_read_as_they_were(tmp_path):
  path = tmp_path / "a.jsonl"
  assert jsonl.write(iter(CHATS), path) == 3
  assert messages_again(path, "messages") == [e.messages for e in CHATS]
  documents = [Example(text=ODD, origin=ORIGIN), Example(text="second")]
  jsonl.write(documents, path)
  assert [formats.to_text(r) for r in read(str(path))] == [ODD, "second"]


def test_our_rows_say_where_they_come_from(tmp_path):
  row = jsonl.row(CHATS[1])
  assert row["id"] == CHATS[1].id and row["weight"] == 0.5 and row["category"] == "C"
  assert {k: row[k] for k in ("source", "path", "row", "licence", "date", "url", "title")} == {
    "source": "shop", "path": "rows.csv", "row": 7, "licence": "cc0-1.0", "date": "2024-05-01",
    "url": "https://example.org/a", "title": "T",
  }  # fmt: skip
  assert jsonl.row(Example(text="x")).keys() == {"id", "text"}
  assert jsonl.row(PAIR)["rejected"] == list(PAIR.rejected)


def test_a_line_is_a_row_without_escapes(tmp_path):
  path = tmp_path / "a.jsonl"
  jsonl.write([Example(text="ü 🐟 漢字"), Example(text=ODD)], path)
  raw = path.read_bytes()
  assert raw.count(b"\n") == 2 and "ü 🐟 漢字".encode() in raw and b"\\u" not in raw.split(b"\n")[0]


def test_half_a_character_does_not_stop_the_file(tmp_path):
  path = tmp_path / "a.jsonl"
  jsonl.write([Example(text="\ud83d ü")], path)
  assert json.loads(path.read_text("utf-8"))["text"] == "\ud83d ü"


@pytest.mark.parametrize("writer", [jsonl, openai, alpaca])
def test_after_an_error_the_old_file_stands(tmp_path, writer):
  path = tmp_path / "a.jsonl"
  path.write_text("old")

  def rows():
    yield chat("a", "b")
    raise OSError("disk")

  with pytest.raises(OSError, match="disk"):
    writer.write(rows(), path)
  assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_openai_rows_are_read_as_they_were(tmp_path, capsys):
  path = tmp_path / "a.jsonl"
  assert openai.write(CHATS, path) == 3
  assert messages_again(path, "messages") == [e.messages for e in CHATS]
  assert all(json.loads(line).keys() == {"messages"} for line in path.read_bytes().splitlines())
  assert "at least 10" in capsys.readouterr().err


def test_openai_keeps_weights_of_answers():
  weighted = Example(
    messages=tuple(m | {"weight": 0.0} for m in chat("a", "b").messages) + chat("c", "d").messages
  )
  messages = openai.row(weighted)["messages"]
  assert [m.get("weight") for m in messages] == [None, 0, None, None]
  assert isinstance(messages[1]["weight"], int)


def test_openai_preference_pairs():
  row = openai.row(PAIR)
  assert row == {
    "input": {"messages": [{"role": "user", "content": "Name a fish."}]},
    "preferred_output": [{"role": "assistant", "content": "Cod."}],
    "non_preferred_output": [{"role": "assistant", "content": "Cow."}],
  }
  weighted = tuple(m | {"weight": 1} for m in PAIR.messages)
  assert openai.row(Example(messages=weighted, rejected=PAIR.rejected)) == row
  whole = Example(messages=PAIR.messages, rejected=(PAIR.messages[0], *PAIR.rejected))
  assert openai.row(whole) == row  # the prompt may stand before the rejected answer as well


ZERO = {"role": "assistant", "content": "b", "weight": 0}
REFUSED = {
  "document": (openai, Example(text="t", origin=ORIGIN), "rows.csv:7.*config.rows=title, outline"),
  "role": (openai, Example(messages=({"role": "wizard", "content": "x"},), origin=ORIGIN), "no role 'wizard'"),
  "empty": (openai, chat("a", " \n"), "rows.csv:7: the assistant message is empty"),
  "last": (openai, chat("a", "b", "c"), "the last message is the user's"),
  "weights": (openai, Example(messages=(*chat("a", "b").messages[:1], ZERO), origin=ORIGIN), "weight 0"),
  "half": (openai, Example(messages=(*chat("a", "b").messages[:1], ZERO | {"weight": 0.5})), "is 0 or 1"),
  "prompts": (openai, Example(messages=PAIR.messages, rejected=chat("Other.", "Cow.").messages, origin=ORIGIN), "different prompts"),
  "alpaca document": (alpaca, Example(text="t", origin=ORIGIN), "rows.csv:7: a document has no instruction"),
  "alpaca turns": (alpaca, Example(messages=(*chat("a", "b").messages, *chat("c", "d").messages[1:]), origin=ORIGIN), "user, assistant, assistant"),
  "alpaca weight": (alpaca, Example(messages=(*chat("a", "b").messages[:1], ZERO), origin=ORIGIN), "another weight"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_format_cannot_say_is_refused_by_name(tmp_path, name):
  writer, example, message = REFUSED[name]
  with pytest.raises(InputError, match=message):
    writer.write([chat("a", "b"), example], tmp_path / "a.jsonl")
  assert not list(tmp_path.iterdir())


def test_alpaca_rows_are_read_as_they_were(tmp_path):
  path = tmp_path / "a.jsonl"
  rows = [chat(ODD, "yes"), chat("a", ODD, "c", "d", "e", "f"), SYSTEM]
  assert alpaca.write(rows, path) == 3
  assert messages_again(path, "alpaca") == [e.messages for e in rows]
  assert alpaca.row(PAIR) == {
    "instruction": "Name a fish.",
    "input": "",
    "chosen": "Cod.",
    "rejected": "Cow.",
  }
