import pytest

from tests.train import toy


@pytest.fixture(scope="session")
def source(tmp_path_factory):
  """The folder of the toy model; not to be written to."""
  return toy.save_model(tmp_path_factory.mktemp("model") / "toy")


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
  """A file of 60 token rows."""
  return toy.write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", 60)
