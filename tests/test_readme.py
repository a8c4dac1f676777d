"""Every command of README and the guides has the scripts, configs, keys and flags that it names."""

import ast
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_ABSL = {"verbosity", "help"}


FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)


def blocks(page: Path, language: str = "") -> list[str]:
  found = FENCE.findall(page.read_text(encoding="utf-8"))
  return [text for name, text in found if name == language or not language]


def commands(text: str) -> list[list[str]]:
  """The calls of scripts/*.py in a text, as words."""
  found = []
  for line in text.replace("\\\n", " ").splitlines():
    if "python" in line and "scripts/" in line:
      lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>()")
      lexer.whitespace_split = True
      words: list[str] = []
      for word in [*lexer, ";"]:
        if set(word) <= set("&|;<>()"):
          found += [words]
          words = []
        else:
          words = [word] if word.startswith("scripts/") else [*words, word]
  return [words for words in found if words and words[0].endswith(".py")]


EVERY = [
  pytest.param(words, id=f"{page.name}-{i}-{Path(words[0]).stem}")
  for page in PAGES
  for i, words in enumerate(w for text in blocks(page) for w in commands(text))
]


def config(path: Path):
  spec = importlib.util.spec_from_file_location("config", path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config()


@pytest.mark.parametrize("words", EVERY)
def test_a_command_names_what_exists(words):
  script = ROOT / words[0]
  assert script.is_file()
  source = script.read_text(encoding="utf-8")
  flags = set(re.findall(r"DEFINE_\w+\(\s*\"(\w+)\"", source)) | OF_ABSL
  flags |= set(re.findall(r"add_argument\(\s*\"--([\w-]+)\"", source))
  if "define_processes" in source:
    flags |= {"coordinator", "processes", "process", "join_seconds"}
  default = re.search(r"define_config\(\s*\"([^\"]+)\"", source)
  names = [w[2:].split("=")[0] for w in words[1:] if w.startswith("--")]
  assert all(w.startswith("--") or not w.endswith("=") for w in words)
  chosen = [w.split("=", 1)[1] for w in words if w.startswith("--config=")]
  keys = [n.removeprefix("config.") for n in names if n.startswith("config.")]
  others = {n for n in names if n != "config" and not n.startswith("config.")}
  assert {n.removeprefix("no") if n not in flags else n for n in others} <= flags, others
  if chosen or keys:
    assert default, f"{words[0]} takes no config"
    own = bool(chosen) and Path(chosen[0]).name == "mine.py"  # one that the reader writes
    path = ROOT / (chosen[0] if chosen and not own else default[1])
    assert path.is_file(), path
    values = config(path)
    for key in keys:
      inner = values
      for part in key.split("."):
        assert part in inner, key
        inner = inner[part]


def test_there_are_commands_and_python_to_check():
  assert len(EVERY) > 20
  for block in blocks(PAGES[0], "python"):
    ast.parse(block)


def test_links_lead_to_files():
  for page in PAGES:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
      assert target.startswith("http") or (page.parent / target).exists(), (page.name, target)
