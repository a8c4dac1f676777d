"""Reading and checking configs: the error that users see, durations, and ml_collections to plain
dicts and back."""

import difflib
import re
from dataclasses import dataclass
from typing import Any

from ml_collections import ConfigDict


class InputError(ValueError):
  """Bad config or input, said in one message that tells how to mend it. Scripts print it and exit
  with status 2."""


_UNITS = {
  "step": "steps", "steps": "steps", "update": "steps", "updates": "steps", "": "steps",
  "epoch": "epochs", "epochs": "epochs",
  "token": "tokens", "tokens": "tokens",
  "%": "fraction",
}  # fmt: skip
_SCALES = {"": 1, "k": 1e3, "m": 1e6, "b": 1e9}


@dataclass(frozen=True)
class Duration:
  """A length of training: "500 steps", "3 epochs", "10%" (of the whole run), "2M tokens"
  (those that the model reads: prompts count, padding does not). A bare number is steps; a bare number
  below one that is not whole ("0.03") is a fraction of the run; "never" and "0" are nothing at all."""

  amount: float
  unit: str  # steps | epochs | tokens | fraction

  @classmethod
  def parse(cls, value: Any, key: str) -> "Duration":
    """Reads a config value; `key` names it in the error."""
    text = str(value).strip().lower()
    if text in ("", "never", "none"):
      return cls(0, "steps")
    found = re.fullmatch(
      r"([0-9][0-9_,]*\.?[0-9]*(?:e-?[0-9]+)?|\.[0-9]+)\s*([kmb]?)\s*([a-z]*|%)", text
    )
    if not found or found[3] not in _UNITS:
      raise InputError(
        f"{key}={value!r} is not a duration. Write a number and a unit: '500 steps', '3 epochs', '10%', '2M tokens'."
      )
    amount = float(found[1].replace(",", "").replace("_", "")) * _SCALES[found[2]]
    unit = _UNITS[found[3]]
    if not found[3] and 0 < amount < 1:
      unit = "fraction"
    return cls(amount / 100 if found[3] == "%" else amount, unit)

  def steps(self, *, epoch: float, tokens: float, total: int | None = None) -> int:
    """The number of updates, rounded to the nearest and at least 1 unless the duration is 0.

    epoch: updates in one pass over the data. tokens: tokens in one update on average, without padding. total: updates in the
    whole run, which a fraction refers to.
    """
    if self.unit == "fraction" and total is None:
      raise InputError(
        "A share such as '10%' cannot be the length of the whole run: give steps, epochs or tokens."
      )
    per = {"steps": 1.0, "epochs": epoch, "tokens": 1.0 / tokens, "fraction": float(total or 0)}[
      self.unit
    ]
    return max(1, round(self.amount * per)) if self.amount else 0


def choice(value: str, allowed, key: str) -> str:
  """`value` if it is allowed, else an InputError that lists what is."""
  if value not in allowed:
    raise InputError(f"{key}={value!r} is not known. Use one of: {', '.join(map(str, allowed))}.")
  return value


def positive(value: float, key: str) -> float:
  """`value` if it is above zero, else an InputError."""
  if not value > 0:
    raise InputError(f"{key}={value!r} must be greater than 0.")
  return value


def check_keys(config: ConfigDict, defaults: ConfigDict) -> None:
  """Raises InputError for a config that has other keys than `defaults`: a file's get_config() can make
  a misspelled one, which would change nothing, as easily as set one."""
  given, known = flat(config), flat(defaults)
  for key in given.keys() - known.keys():
    near = difflib.get_close_matches(key, known, 1)
    raise InputError(
      f"{key}={given[key]!r}: no such config key.{f' Did you mean {near[0]}?' if near else ''} "
      "--help lists all of them."
    )
  if lacking := sorted(known.keys() - given.keys()):
    raise InputError(
      f"The config lacks {', '.join(lacking[:5])}{' and more' if len(lacking) > 5 else ''}. Let its get_config() start "
      "from ftjax.defaults.get_config(), as configs/sft.py does."
    )


def flat(config: ConfigDict) -> dict[str, Any]:
  """{"optim.learning_rate": 1e-5, ...}: for comparing and printing."""
  out: dict[str, Any] = {}
  for key, value in config.items():
    if isinstance(value, ConfigDict):
      out.update({f"{key}.{k}": v for k, v in flat(value).items()})
    else:
      out[key] = list(value) if isinstance(value, tuple) else value
  return out
