import pytest

from tests.families import VARIANTS
from tests.models.reference import quiet
from tests.tiny import write_checkpoint


@pytest.fixture(scope="session")
def variant(tmp_path_factory):
  """fn(name of a variant) -> its folder, made once; not to be written to."""
  made = {}

  def make(name: str):
    if name not in made:
      kind, fields, *_ = VARIANTS[name]
      with quiet():
        made[name] = write_checkpoint(kind, fields, tmp_path_factory.mktemp("variant") / kind)
    return made[name]

  return make
