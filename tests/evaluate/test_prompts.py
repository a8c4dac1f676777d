"""Which prompts a model writes for, and how much it may write."""

from types import SimpleNamespace

from ftjax.evaluate.prompts import validation_prompts


def _data(*lengths):
  """A validation row for each length of a prompt; the ids of the first and the last are alike."""
  prompts = [f"p{n}" for n in lengths]
  template = SimpleNamespace(
    render_prompt=lambda p: list(range(int(p[1:]))), render_text=lambda p: f"<{p}>"
  )
  rows = SimpleNamespace(prompts=prompts, references=[f"r{i}" for i in range(len(prompts))])
  return SimpleNamespace(validation=rows, template=template, format="messages")


def _chosen(data, limit=9, room=20, most=8):
  return validation_prompts(data, object(), limit, room=room, max_new_tokens=most)


def test_each_prompt_has_its_own_room(capsys):
  """One long prompt takes nothing from the others, and those without room are counted."""
  found = _chosen(_data(5, 12, 13, 19, 20, 31, 5))
  assert [(p["prompt"], p["most"]) for p in found] == [
    ("<p5>", 8), ("<p12>", 8), ("<p13>", 7), ("<p19>", 1),
  ]  # fmt: skip
  assert found[0]["references"] == ["r0", "r6"] and len(found[0]["ids"]) == 5
  assert (
    "2 of 6 validation prompts fill the model's context of 20 tokens" in capsys.readouterr().err
  )


def test_prompts_without_room_do_not_count_towards_the_limit(capsys):
  data = _data(30, 4, 25, 6, 40, 8)
  assert [p["prompt"] for p in _chosen(data, limit=2)] == ["<p4>", "<p6>"]
  assert "2 of 4" in capsys.readouterr().err
  assert _chosen(_data(30)) == [] and "1 of 1" in capsys.readouterr().err
  assert (
    _chosen(data, limit=0) == []
    and validation_prompts(data, None, 9, room=9, max_new_tokens=1) == []
  )
  assert not capsys.readouterr().err


def test_plain_text_and_tokens_begin_with_their_own_prompt():
  import numpy as np

  rows = [
    (np.arange(10), np.arange(10) >= 4),
    (np.arange(60), np.ones(60, bool)),
    (np.arange(1), np.ones(1, bool)),
  ]

  class Rows:
    row = staticmethod(rows.__getitem__)
    __len__ = lambda self: len(rows)

  tokenizer = SimpleNamespace(decode=lambda ids, **_: f"{len(ids)}")
  for kind, leads in (("tokens", (4, 24)), ("text", (5, 24))):
    data = SimpleNamespace(validation=Rows(), template=None, format=kind)
    found = validation_prompts(data, tokenizer, 9, room=30, max_new_tokens=30)
    assert tuple(len(p["ids"]) for p in found) == leads
    assert [p["most"] for p in found] == [30 - n for n in leads]
    assert found[1]["references"] == ["36"]
