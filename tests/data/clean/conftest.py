"""The default settings, and the demo files as rows."""

import csv
import json

import pytest

from ftjax.data.defaults import get_config
from tests.data.clean.rows import chat, document


@pytest.fixture
def config():
  return get_config()


@pytest.fixture(scope="session")
def c4(shared):
  with (shared / "data" / "c4_demo.jsonl").open(encoding="utf-8") as file:
    return [document(json.loads(line)["text"]) for line in file]


@pytest.fixture(scope="session")
def alpaca(shared):
  with (shared / "data" / "alpaca_en_demo.json").open(encoding="utf-8") as file:
    rows = json.load(file)
  return [
    chat("\n\n".join(filter(None, (r["instruction"], r["input"]))), r["output"]) for r in rows
  ]


@pytest.fixture(scope="session")
def e2e(shared):
  with (shared / "data" / "e2e_devset.csv").open(encoding="utf-8") as file:
    return [chat(r["mr"], r["ref"]) for r in csv.DictReader(file)]
