import pytest

from tests.models.reference import VARIANTS, quiet
from tests.tiny import tiny_checkpoint


@pytest.fixture(scope="session")
def variant(tmp_path_factory):
  """fn(name of a variant) -> its folder, made once; not to be written to."""
  made = {}

  def make(name: str):
    if name not in made:
      kind, overrides = VARIANTS[name]
      with quiet():
        made[name] = tiny_checkpoint(kind, tmp_path_factory.mktemp("variant") / kind, **overrides)
    return made[name]

  return make
