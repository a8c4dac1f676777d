"""Work in a process of its own."""

import os

import pytest

from ftjax import apart
from ftjax.config import InputError


def process(x):
  return x, os.getpid()


def refuse():
  raise InputError("not this")


def test_results_and_errors_come_back_and_a_crash_is_said():
  x, where = apart.call(process, 3, crashed="it crashed")
  assert x == 3 and where != os.getpid()
  with pytest.raises(InputError, match="not this"):
    apart.call(refuse, crashed="it crashed")
  with pytest.raises(apart.Crashed, match="it crashed"):
    apart.call(os.abort, crashed="it crashed")
