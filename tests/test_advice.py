"""What messages advise works: keys exist, values are accepted by the command line, scripts have the flags."""

import ast
import functools
import re
import runpy
import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from ftjax.config import flat

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {
  "train": ROOT / "configs" / "sft.py",
  "prepare_data": ROOT / "configs" / "data" / "default.py",
  "evaluate": ROOT / "configs" / "evaluate.py",
}


@functools.cache
def messages() -> list[tuple[str, str]]:
  """(file:line, text) of every string of the code that is no docstring; "{}" where a value comes."""
  found = []
  for path in sorted([*(ROOT / "ftjax").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(part) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in n.values}
    plain = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
      if id(node) in inside | plain:
        continue
      place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
      if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found.append((place, node.value))
      elif isinstance(node, ast.JoinedStr):
        text = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
        found.append((place, "".join(map(str, text))))
  return found


@functools.cache
def parsed(script: str, *given: str):
  """A script's config with some of it given on the command line."""
  found, config = flags.FlagValues(), runpy.run_path(str(CONFIGS[script]))["get_config"]()
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(sys, "argv", ["script", *given])  # where config_flags looks for its overrides
    config_flags.DEFINE_config_dict("config", config, flag_values=found, lock_config=True)
    found(sys.argv)
  return found["config"].value


@pytest.fixture(scope="module")
def keys():
  """{script: the keys of its config}."""
  return {script: set(flat(parsed(script))) for script in CONFIGS}


def spoken_of(place: str, text: str) -> list[str]:
  """The scripts whose keys a message can speak of: those that it names, and by the file that has it."""
  named = [name for name in CONFIGS if f"scripts/{name}.py" in text]
  room = place.removeprefix("ftjax/").removeprefix("scripts/")
  scripts = ["train", *named]
  scripts += ["prepare_data"] * room.startswith(("data/", "preparation", "prepare_data"))
  scripts += ["evaluate"] * room.startswith(("comparison", "evaluat", "research/runs"))
  return scripts


def advised():
  """(place, scripts, key, value or None) of each key=value, or --config.key, in a message."""
  for place, text in messages():
    for full, key, value in re.findall(
      r"((?:--config\.)?)\b([a-z_]+(?:\.[a-z_]\w*)*)(?:=([^\s,;)`]*))?", text
    ):
      literal = (
        value.strip("'\".:") if value and not re.search(r"[{}A-Z]|\.\.\.|/", value) else None
      )
      if full or ("." in key and f"{key}=" in text):
        yield place, spoken_of(place, text), key, literal


def test_advised_keys_exist_and_take_the_advised_values(keys):
  sections = {key.split(".")[0] for known in keys.values() for key in known if "." in key}
  wrong, seen = [], 0
  for place, scripts, key, value in advised():
    if key.split(".")[0] not in sections and key not in {
      k for known in keys.values() for k in known
    }:
      continue
    having = [s for s in scripts if key in keys[s] or any(k.startswith(key + ".") for k in keys[s])]
    if not having:
      wrong.append(f"{place}: {key} is a key of none of {scripts}")
      continue
    seen += 1
    if value:
      try:
        parsed(having[0], f"--config.{key}={value}")
      except Exception as e:
        wrong.append(f"{place}: {key}={value} is refused: {type(e).__name__} {e}")
  assert seen > 100 and not wrong, "\n".join(wrong)


def test_advised_scripts_have_their_flags():
  own = {
    p.stem: set(re.findall(r'DEFINE_\w+\(\s*"(\w+)"', p.read_text()))
    for p in (ROOT / "scripts").glob("*.py")
  }
  shared = {"config", "coordinator", "processes", "process", "join_seconds", "help"}
  wrong, seen = [], 0
  for place, text in messages():
    for script, rest in re.findall(r"scripts/(\w+)\.py([^`\n]*)", text):
      seen += 1
      used = set(re.findall(r"--(\w+)(?![\w.])", re.sub(r"--config\.\S+", "", rest)))
      if script not in own or used - own[script] - shared:
        wrong.append(
          f"{place}: scripts/{script}.py {sorted(used - own.get(script, set()) - shared)}"
        )
  assert seen > 5 and not wrong, "\n".join(wrong)
