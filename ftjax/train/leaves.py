"""What optimizers treat unlike: which of the leaves that are trained are decayed, and which are matrices.

A leaf's last name says what it is; its shape does not, as scanned layers and experts stack vectors
into matrices.
"""

import re

import optax.contrib

from ftjax import tree
from ftjax.parallel.rules import like

DECAYED = (
  (r"kernel|a|b", True),  # matrices: of linear layers, of low-rank pairs
  (r"tokens|positions|rows|key|value", True),  # tables of vectors: of tokens, real and virtual ones
  (r"bias|scales?|magnitude|sinks|inputs|outputs", False),  # of norms, DoRA, attention, (IA)^3
)


def decayed(params) -> dict:
  """Whether weight decay acts on each leaf. There is no catch-all: tree.match raises for a new leaf."""
  return tree.map_named(lambda name, _: tree.match(name.rpartition("/")[2], DECAYED), params)


def matrices(params):
  """Which dims of each leaf are a matrix's inputs and outputs, for Muon and APOLLO; None where it is
  none, or lies outside the blocks."""
  numbers = optax.contrib.MuonDimensionNumbers

  def sides(name, x):
    name = like(name)  # of a full copy, or of the last layers trained alone, the parameter's
    if not re.search(r"^(params|lora)/layers/.*/(kernel|a|b)$", name):
      return None
    lead = 2 if "/experts/" in name and "/router/" not in name else 1
    inputs = 2 if re.search(r"/attention/out/(kernel|a)$", name) else 1
    return numbers(tuple(range(lead, lead + inputs)), tuple(range(lead + inputs, x.ndim)))

  return tree.map_named(sides, params)
