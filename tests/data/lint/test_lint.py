"""Checking and mending files of rows: each problem at its place, what is sound left alone, and a
mended file in which nothing is left to mend."""

import gzip
import json
import random
import tracemalloc

import pytest

from ftjax.config import InputError
from ftjax.data.lint import check
from ftjax.data.lint.problem import ERROR
from tests.data.lint.mending import ASK, GOOD, answer, good, mend, turns

# name: (line, code, what its column points at or "", the answer after mending or None where the row
# is left out)
LINES = {
  "trailing comma in an object": (turns(ASK, ("assistant", "a"))[:-1] + ",}", "trailing-comma", ',}', "a"),
  "trailing comma after the row": (turns(ASK, ("assistant", "a")) + ",", "trailing-comma", ',\n', "a"),
  "single quotes": (str(json.loads(turns(ASK, ("assistant", "it's")))), "single-quotes", '\'messages\'', "it's"),
  "apostrophe in single quotes": (turns(ASK, ("assistant", "it's")).replace('"', "'"), "single-quotes", '\'messages\'', "it's"),
  "curly quotes": (turns(ASK, ("assistant", "a")).replace('"a"', "\u201ca\u201d"), "curly-quotes", '\u201ca', "a"),
  "line break in a string": (turns(ASK, ("assistant", "a#b")).replace("#", "\n"), "line-break", '"a\nb', "a\nb"),
  "tab in a string": (turns(ASK, ("assistant", "a#b")).replace("#", "\t"), "line-break", '"a\tb', "a\tb"),
  "quotes in a string": (turns(ASK, ("assistant", "a 'b', c")).replace("'", '"'), "unescaped-quote", '"a "b"', 'a "b", c'),
  "quote after a backslash": (turns(ASK, ("assistant", "a#b")).replace("#", '\\\\" '), "unescaped-quote", '"a', 'a\\" b'),
  "bad escape": (turns(ASK, ("assistant", "C:#dir")).replace("#", "\\d"), "bad-escape", '"C:', "C:\\ddir"),
  "no comma": (turns(ASK, ("assistant", "a")).replace("}, {", "} {"), "missing-comma", ' {"role": "assistant', "a"),
  "bare keys": (turns(ASK, ("assistant", "a")).replace('"role"', "role"), "unquoted-key", 'role: "user', "a"),
  "python": (turns(ASK, ("assistant", "a"))[:-1] + ', "x": None}', "python-value", 'None', "a"),
  "nan": (turns(ASK, ("assistant", "a"))[:-1] + ', "x": NaN}', "nan", 'NaN', "a"),
  "infinity": (turns(ASK, ("assistant", "a"))[:-1] + ', "x": -Infinity}', "nan", '-Inf', "a"),
  "comment": ("/* x */ " + turns(ASK, ("assistant", "a")), "comment", '/*', "a"),
  "pretty-printed": (json.dumps(json.loads(turns(ASK, ("assistant", "a"))), indent=2), "spread", '{\n', "a"),
  "bare messages": (json.dumps(json.loads(turns(ASK, ("assistant", "a")))["messages"]), "bare-messages", '[{', "a"),
  "cut off": (turns(ASK, ("assistant", "a"))[:-9], "broken-json", '"conte', None),
  "prose": ("Sorry, I cannot do that.", "broken-json", 'Sorry', None),
  "a number": ("17", "not-an-object", '', None),
  "misspelt key": (turns(ASK, ("assistant", "a")).replace("messages", "mesages"), "misspelt-key", '"mesages"', "a"),
  "capital key": (turns(ASK, ("assistant", "a")).replace("messages", "Messages"), "misspelt-key", '"Messages"', "a"),
  "misspelt inner key": (turns(ASK, ("assistant", "a")).replace('content": "a', 'contnet": "a'), "misspelt-key", '"contnet"', "a"),
  "misspelt role": (turns(ASK, ("asistant", "a")), "unknown-role", '"asistant"', "a"),
  "another role": (turns(("human", "Ask"), ("gpt", "a")), "unknown-role", '"human"', "a"),
  "unknown role": (turns(("wizard", "Ask"), ("assistant", "a")), "unknown-role", '"wizard"', None),
  "no content": ('{"messages": [{"role": "user"}, {"role": "assistant", "content": "a"}]}', "missing-key", '', None),
  "unknown keys": ('{"foo": 1, "bar": 2}', "unknown-format", '', None),
  "question and answer": ('{"question": "Ask", "answer": "a"}', "misspelt-key", '"question"', "a"),
  "empty answer": (turns(ASK, ("assistant", " \n")), "empty", '"content": " ', None),
  "empty system": (turns(("system", ""), ASK, ("assistant", "a")), "empty-system", '"system"', "a"),
  "no answer": (turns(ASK), "no-answer", '', None),
  "no last answer": (turns(ASK, ("assistant", "a"), ("user", "b")), "no-last-answer", '', "a"),
  "no messages": ('{"messages": []}', "no-messages", '"messages"', None),
  "system second": (turns(ASK, ("system", "s"), ("assistant", "a")), "system-not-first", '"system"', "a"),
  "user twice": (turns(ASK, ("user", "b"), ("assistant", "a")), "same-turn", '"user"', "a"),
  "a number for text": (turns(ASK, ("assistant", 7)), "not-text", '"content": 7', "7"),
  "an object for text": (turns(ASK, ("assistant", {"a": 1})), "not-text", '"content": {', None),
  "null for text": (turns(ASK, ("assistant", None)), "empty", '"content": null', None),
  "space round the answer": (turns(ASK, ("assistant", " a\n")), "outer-space", '" a', "a"),
  "mojibake": (turns(ASK, ("assistant", "caf\u00c3\u00a9")), "mojibake", '"caf', "caf\u00e9"),
  "half a character": (turns(ASK, ("assistant", "a#")).replace("#", "\\ud83d"), "half-character", '', "a\ufffd"),
  "control character": (turns(ASK, ("assistant", "a#b")).replace("#", "\\u0000"), "control-character", '"a\\u0000b', "ab"),
  "another format": ('{"prompt": "Ask", "completion": "a"}', "mixed-formats", '', "a"),
  "only weights of 0": (turns(ASK, ("assistant", "a")).replace("}]", ', "weight": 0}]'), "no-answer", '"weight"', None),
  "half a weight": (turns(ASK, ("assistant", "a")).replace("}]", ', "weight": 0.5}]'), "weight", '"weight"', None),
  "a weight in words": (turns(ASK, ("assistant", "a")).replace("}]", ', "weight": "0"}]'), "weight", '"weight"', None),
  "a user's weight": (turns(ASK, ("assistant", "a")).replace('Ask"', 'Ask", "weight": 1'), "refused", '', None),
  "an image": (turns(ASK, ("assistant", [{"type": "image_url"}])), "refused", '', None),
  "a call of no name": (turns(ASK, ("assistant", "a")).replace("}]", ', "tool_calls": [{"id": "1"}]}]'), "refused", '', None),
  "deep": ("[" * 100_000, "broken-json", '[[', None),
  "endless digits": ('{"prompt": 9#, "completion": "a"}'.replace("#", "9" * 5_000), "broken-json", '99', None),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_each_problem_is_found_at_its_place_and_mended(tmp_path, name):
  line, code, at, mended = LINES[name]
  found, rows = mend(tmp_path, good(1) + good(2) + line + "\n" + good(3))
  problem = next(p for p in found if p.code == code)
  assert problem.line == 3 and bool(problem.column) == bool(at)
  assert not at or f"{line}\n"[problem.column - 1 :].startswith(at)
  assert problem.mends == (mended is not None) and problem.message and problem.fix
  assert [answer(r) for r in rows] == ["Ho 1", "Ho 2", *([mended] if mended else []), "Ho 3"]
  assert [line for line, _ in found.left_out] == ([] if mended else [3])
  text = "\n".join(found.lines())
  assert f"{code} (" in text and problem.message in text


WARNED = {
  "assistant-first": turns(("assistant", "Hello."), ASK, ("assistant", "a")),
  "prompt-is-answer": turns(("user", "same"), ("assistant", "same")),
  "very-long": turns(ASK, ("assistant", "w " * 400 + "w")),
  "empty": turns(("user", ""), ("assistant", "a")),
}


@pytest.mark.parametrize("code", WARNED)
def test_what_is_odd_is_told_and_left(tmp_path, code):
  found, rows = mend(tmp_path, good(1) + WARNED[code] + "\n", max_words=400)
  assert [(p.code, p.line, p.level) for p in found] == [(code, 2, "warning")]
  assert rows[1] == json.loads(WARNED[code]) and found.status == 0


def test_repeated_rows_and_prompts(tmp_path):
  other = turns(("user", "Hi 1"), ("assistant", "another"))
  same = json.dumps(json.loads(good(1)) | {"id": 9}, indent=None, separators=(",", ":"))
  third = turns(("user", "Hi 1"), ("assistant", "a third")) + "\n"  # of which nothing more is told
  found, rows = mend(tmp_path, good(1) + good(2) + same + "\n" + other + "\n" + third)
  assert [(p.code, p.line) for p in found] == [("duplicate", 3), ("several-answers", 4)]
  assert (
    "line 1" in str(next(iter(found))) and found.left_out == [(3, "duplicate")] and len(rows) == 4
  )


def test_rows_that_cannot_be_read_are_errors_and_no_repeats(tmp_path):
  """However alike they look where they break off in a message."""
  half = lambda i: turns(ASK, ("assistant", "a" * 60 + f"{i}")).replace("}]", ', "weight": 0.5}]')
  found, rows = mend(tmp_path, "".join(half(i) + "\n" for i in range(24)) + good(1))
  assert found.counts == {("error", "weight"): 24} and len(rows) == 1
  assert {code for _, code in found.left_out} == {"weight"} and len(found.left_out) == 24
  assert "  weight: 24 lines: 1-24" in found.lines()


def test_rows_that_differ_in_anything_that_is_trained_are_no_repeats(tmp_path):
  ask, told = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
  call = lambda n: {
    "role": "assistant",
    "tool_calls": [{"function": {"name": "f", "arguments": {"n": n}}}],
  }
  rows = [
    [ask, told, ask, told], [ask, told | {"weight": 0}, ask, told], [ask, call(1), told], [ask, call(2), told],
  ]  # fmt: skip
  found, kept = mend(tmp_path, "".join(json.dumps({"messages": m}) + "\n" for m in rows))
  assert ("warning", "duplicate") not in found.counts and len(kept) == 4


def test_several_rows_in_a_line(tmp_path):
  found, rows = mend(tmp_path, good(1) + good(2).strip() + good(3).strip() + "," + good(4))
  assert [answer(r) for r in rows] == ["Ho 1", "Ho 2", "Ho 3", "Ho 4"]
  assert ("error", "several-rows") in found.counts


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_rather_than_lines(tmp_path, indent):
  text = json.dumps([json.loads(good(i)) for i in range(5)], indent=indent)
  found, rows = mend(tmp_path, text + "\n")
  assert [(p.code, p.line) for p in found] == [("list", 1)] and len(rows) == 5
  found, rows = mend(tmp_path, text, "rows.json")  # where it is what it should be
  assert not list(found) and len(rows) == 5


def test_a_row_of_a_list_that_is_broken(tmp_path):
  rows = [good(1).strip(), good(2).strip()[:-1] + ",}", good(3).strip()]
  found, rows = mend(tmp_path, "[\n" + ",\n".join(rows) + "\n]\n", "rows.json")
  assert [(p.code, p.line) for p in found] == [("trailing-comma", 3)] and len(rows) == 3


@pytest.mark.parametrize("cut", [GOOD[:60], '{"text": "a', '{"messages": ['])
def test_rows_after_one_that_breaks_off_are_rows_of_their_own(tmp_path, cut):
  found, rows = mend(tmp_path, good(1) + cut + "\n" + good(2) + good(3))
  assert rows == [json.loads(good(n)) for n in (1, 2, 3)]
  assert [(p.code, p.line) for p in found if p.level == ERROR] == [("broken-json", 2)]


def test_a_list_that_does_not_end(tmp_path):
  found, rows = mend(tmp_path, "[\n" + good(1).strip() + ",\n" + good(2)[:20], "rows.json")
  assert [(p.code, p.line) for p in found] == [("broken-json", 3)] and len(rows) == 1


def test_encodings(tmp_path):
  text = turns(ASK, ("assistant", "caf\u00e9 \u201cx\u201d")) + "\n" + good(1)
  for name, raw in {
    "byte-order-mark": b"\xef\xbb\xbf" + text.encode(),
    "utf-16": text.encode("utf-16"),
    "not-utf-8": text.encode("cp1252"),
  }.items():
    found, rows = mend(tmp_path, raw)
    assert {p.code for p in found} == {name} and rows[0]["messages"][1][
      "content"
    ] == "caf\u00e9 \u201cx\u201d", name
    assert len(rows) == 2


def test_compressed_and_damaged(tmp_path):
  rng = random.Random(0)
  text = "".join(good(rng.getrandbits(60)) for _ in range(500))
  whole = gzip.compress(text.encode())
  found, rows = mend(tmp_path, whole, "rows.jsonl.gz")
  assert not list(found) and len(rows) == 500
  found, rows = mend(tmp_path, whole[: len(whole) // 2], "rows.jsonl.gz")
  assert {p.code for p in found} <= {"unreadable", "broken-json"} and (
    "error",
    "unreadable",
  ) in found.counts


def test_tables(tmp_path):
  found, rows = mend(tmp_path, 'prompt,completion\na," b c "\nd,\n', "rows.csv")
  assert [(p.code, p.line) for p in found] == [("outer-space", 2), ("unknown-format", 3)]
  assert rows == [{"prompt": "a", "completion": " b c"}]


def test_a_line_without_end_is_refused_and_never_held(tmp_path):
  path = tmp_path / "rows.jsonl"
  with open(path, "w") as f:
    f.write(good(1) + '{"text": "')
    for _ in range(30):
      f.write("x" * 1_000_000)
    f.write('"}\n' + good(2))
  tracemalloc.start()
  found, out = (
    check(str(path), str(tmp_path / "out.jsonl"), max_line=100_000),
    tmp_path / "out.jsonl",
  )
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 8_000_000
  assert [(p.code, p.line) for p in found] == [("too-long-line", 2)] and "30 MB" in str(
    list(found)[0]
  )
  assert out.read_text() == good(1) + good(2)


def test_what_is_no_such_file(tmp_path):
  with pytest.raises(InputError, match="No file at"):
    check(str(tmp_path / "none.jsonl"), str(tmp_path / "out.jsonl"))
  with pytest.raises(InputError, match="reads .jsonl"):
    check("rows.xlsx")
  assert not list(tmp_path.iterdir())


def test_the_exit_status(tmp_path):
  path = tmp_path / "rows.jsonl"
  path.write_text(good(1) + "broken\n")
  assert check(str(path)).status == 2
  assert check(str(path), str(tmp_path / "out.jsonl")).status == 0


def test_many_problems_are_counted_but_not_all_kept(tmp_path):
  path = tmp_path / "rows.jsonl"
  path.write_text("".join(turns(("user", f"{i}"), ("asistant", "a")) + "\n" for i in range(1500)))
  found = check(str(path))
  assert found.counts["error", "unknown-role"] == 1500 and len(list(found)) == 1000
  assert "unknown-role (1,500): --fix mends it" in "\n".join(found.lines())
  assert len("\n".join(found.lines())) < 2000


def test_personal_data_is_counted_and_never_shown(tmp_path):
  private = "Write to jane.roe@example.org or 192.0.2.77, key AKIAIOSFODNN7EXAMPLQ."
  found, _ = mend(tmp_path, turns(ASK, ("assistant", private)) + "\n" + good(1))
  text = "\n".join(found.lines())
  assert (
    found.private["email"] == 1 and "email 1" in text and "jane" not in text and not list(found)
  )


def test_a_prompt_does_not_make_personal_data_of_its_answer(tmp_path):
  """Counted text by text, as a preparation masks it."""
  row = turns(("user", "Invent a phone number."), ("assistant", "(555) 123-4567"))
  found, _ = mend(tmp_path, row + "\n" + good(1))
  assert not found.private


def test_what_is_left_out_is_said_in_the_singular_where_it_is_one(tmp_path):
  found, _ = mend(tmp_path, good(1) + good(1) + good(2))
  text = "\n".join(found.lines())
  assert "Left out 1 row:" in text and "duplicate: line 2" in text


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_rows_is_said(tmp_path, text):
  path = tmp_path / "rows.jsonl"
  path.write_text(text)
  with pytest.raises(InputError, match="holds no rows"):
    check(str(path), str(tmp_path / "mended.jsonl"))
  assert not (tmp_path / "mended.jsonl").exists()
