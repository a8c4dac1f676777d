"""The house's floors: imports go downward only, nothing happens at import, and files stay short."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Who may import whom, by room; the ground and a room's own modules are open to all. Other modules
# right under ftjax/ are the top: they wire everything, and no room imports them.
GROUND = {"batch", "config", "defaults", "log", "plugin", "sizes", "storage", "tracking", "tree"}
ROOMS = {
  "parallel": set(),
  "text": set(),
  "models": {"parallel"},
  "train": {"models", "parallel"},
  "generate": {"models", "parallel", "text"},
  "data": {"parallel", "text"},
  "safety": {"models", "parallel", "text"},
  "publish": {"models", "parallel", "text"},
  "evaluate": {"generate", "models", "parallel", "text"},
  "backends": {"generate", "models", "parallel", "text"},
  "research": {"data", "generate", "models", "parallel", "text", "train"},
  "serve": {"backends", "safety", "text"},
}
PROGRAMS = {"research/starter/build.py"}  # a script's body, which lives with its texts


def python_files(*folders: str) -> list[Path]:
  return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
  """The modules of ftjax that a file imports, anywhere in it, as "models.hf"; "" is ftjax
  itself."""
  modules = {
    ".".join(p.relative_to(ROOT / "ftjax").with_suffix("").parts) for p in python_files("ftjax")
  }
  found = set()
  for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f"{path}: a relative import"
      inner = [f"{node.module}.{alias.name}" for alias in node.names]
      names = [n if n.removeprefix("ftjax.") in modules else node.module for n in inner]
    else:
      continue
    found |= {
      n.removeprefix("ftjax").removeprefix(".") for n in names if n.split(".")[0] == "ftjax"
    }
  return found


def allowed(room: str, module: str) -> bool:
  """Whether code in a room (or in a module right under ftjax) may import `module`."""
  other = module.split(".")[0]
  if room not in ROOMS:
    return room not in GROUND or other in GROUND
  return other == room or other in GROUND | ROOMS[room]


def test_imports_go_downward_only():
  wrong = []
  for path in python_files("ftjax"):
    inside = path.relative_to(ROOT / "ftjax")
    room = inside.parts[0].removesuffix(".py")
    assert room in ROOMS or len(inside.parts) == 1, f"{inside}: say on which floor {room!r} stands"
    for module in imported(path):
      bad = module == "finetuning" if inside.as_posix() in PROGRAMS else not allowed(room, module)
      wrong += [f"{inside} imports {module or 'ftjax'}"] if bad else []
  assert not wrong, "\n".join(wrong)


def test_the_table_itself_goes_downward():
  floors = [{"parallel", "text"}, {"models"}, {"train", "generate", "data", "safety", "publish"},
            {"evaluate", "backends", "research"}, {"serve"}]  # fmt: skip
  level = {room: i for i, floor in enumerate(floors) for room in floor}
  for room, others in ROOMS.items():
    assert all(level[other] < level[room] for other in others), room


def test_nobody_imports_the_tests_or_scripts():
  for path in python_files("ftjax", "scripts", "configs"):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
      names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
      names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
      assert not {n.split(".")[0] for n in names} & {"tests", "scripts", "configs"}, path


@pytest.mark.parametrize("folder, limit", [("ftjax", 300), ("configs", 300), ("scripts", 60)])
def test_files_stay_short(folder, limit):
  lengths = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in python_files(folder)}
  assert lengths and not {str(p): n for p, n in lengths.items() if n > limit}


_IMPORT = """
import importlib, sys
from absl import flags
from jax._src import xla_bridge
sys.argv = ["prog", "--nonsense"]
for name in MODULES:
  importlib.import_module(name)
assert not xla_bridge._backends, f"importing made a backend: {list(xla_bridge._backends)}"
assert not flags.FLAGS.is_parsed()
slow = {"torch", "tensorflow", "transformers", "datasets", "matplotlib.pyplot", "wandb"}
heavy = slow & sys.modules.keys()
assert not heavy, f"importing brought in {heavy}"
"""


def run_imports(modules: list[str]) -> None:
  program = f"MODULES = {modules!r}\n{_IMPORT}"
  env = os.environ | {"PYTHONPATH": str(ROOT)}
  done = subprocess.run(
    [sys.executable, "-c", program], capture_output=True, text=True, env=env, check=False
  )
  assert done.returncode == 0, done.stderr[-3000:]


def test_importing_does_nothing():
  """No JAX backend, no flags read, and none of the slow libraries that only some calls need."""
  parts = [p.relative_to(ROOT).with_suffix("").parts for p in python_files("ftjax")]
  names = [".".join(p).removesuffix(".__init__") for p in parts]
  starter = [n for n in names if n.startswith("ftjax.research.starter")]  # makes a tokenizer
  run_imports([n for n in names if n not in starter])


def test_importing_ftjax_alone_is_light():
  program = "import sys, ftjax; assert not {'jax', 'flax', 'numpy'} & sys.modules.keys()"
  subprocess.run(
    [sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
  )
