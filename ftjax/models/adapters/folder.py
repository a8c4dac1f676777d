"""What kinds read from a PEFT folder, and write to one.

A kind has `read(reader) -> {name: array}`, which takes its tensors out of `reader.left`, and
`write(writer)`, which adds tensors and settings. Names of tensors are the checkpoint's, without
PEFT's prefix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.targets import Target, adaptable


@dataclass
class Reader:
  """A folder that is being read. base: a leaf of the base's params by its name."""

  folder: Path
  settings: Mapping[str, Any]
  left: dict[str, np.ndarray]
  config: ModelConfig
  table: list[Weight]
  base: Callable[[str], Any]

  @property
  def targets(self) -> dict[str, Target]:
    """Every matrix of the base that can take an adapter."""
    return adaptable(self.config, self.table)


@dataclass
class Writer:
  """A folder that is being written, of adapter leaves by name. base: as a Reader's."""

  adapter: Mapping[str, np.ndarray]
  config: ModelConfig
  table: list[Weight]
  base: Callable[[str], Any]
  rslora: bool = False
  tensors: dict[str, np.ndarray] = field(default_factory=dict)
  plain: dict[str, np.ndarray] = field(default_factory=dict)  # of no module: without PEFT's prefix
  settings: dict[str, Any] = field(default_factory=dict)

  @property
  def targets(self) -> dict[str, Target]:
    """Every matrix of the base that can take an adapter."""
    return adaptable(self.config, self.table)
