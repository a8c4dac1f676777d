"""Chat templates, rendered in a process of their own.

A template is a program by whoever made the model. jinja2's sandbox keeps it from files and from Python,
but not from looping for years or from multiplying a text to ten gigabytes. A process can be bounded
in both: text/_sandboxed.py is that process, which stays for the renderings that follow (0.1 ms each).
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

SECONDS = 10  # of a processor, for one rendering: it takes a thousandth of one
MEMORY = 1 << 30  # bytes beside what Python itself has
CHARACTERS = 1 << 24  # of a text


class Failed(Exception):
  """A template did not render: its own complaint, or the bound that it met; then whose it is."""


def render(
  tokenizer: PreTrainedTokenizerBase,
  messages: Sequence[Mapping[str, Any]],
  *,
  tools: Sequence[Mapping[str, Any]] | None = None,
  prompt: bool = False,
  day: str = "",
  **more: Any,
) -> str:
  """What tokenizer.apply_chat_template gives as a text. prompt: with the beginning of an answer. day:
  the date, as "2026-11-30", that a template which asks for the time is told; "" = the clock's. more: what
  the template reads beside messages and tools.

  Raises Failed for whatever goes wrong in the template, and ValueError where there is none.
  """
  template = tokenizer.get_chat_template(tools=tools)
  given = dict(conversation=list(messages), tools=tools, add_generation_prompt=prompt, **more)
  request = dict(
    template=template, special_tokens=tokenizer.special_tokens_map, arguments=given,
    characters=CHARACTERS, day=day,
  )  # fmt: skip
  try:
    line = json.dumps(request).encode()
  except (TypeError, ValueError, RecursionError) as e:
    raise Failed(f"the messages are not of plain data: {e}") from e
  with _lock:
    answer = _process().ask(line)
  if "text" not in answer:
    name = getattr(tokenizer, "name_or_path", "")
    raise Failed(answer["error"] + (f" (the template is that of {name})" if name else ""))
  return answer["text"]


class _Process:
  """The process, which is asked one thing at a time."""

  def __init__(self):
    self.owner = os.getpid()
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    self._child = subprocess.Popen(
      [sys.executable, "-m", "ftjax.text._sandboxed", str(SECONDS), str(MEMORY)],
      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env,
      start_new_session=True,  # Ctrl-C is for this process, which then closes that one.
    )  # fmt: skip

  @property
  def alive(self) -> bool:
    """Whether it can be asked by the process that this is."""
    return self.owner == os.getpid() and self._child.poll() is None

  def ask(self, line: bytes) -> dict[str, str]:
    """The answer: {"text": ...} or {"error": ...}."""
    try:
      self._child.stdin.write(line + b"\n")
      self._child.stdin.flush()
      answer = self._child.stdout.readline()
    except OSError:
      answer = b""
    except BaseException:  # An interrupt: its answer must not be taken for that of the next one.
      self.close()
      raise
    if answer:
      return json.loads(answer)
    status = self.close()
    if status == -signal.SIGPROF:
      return {"error": f"it takes more than {SECONDS} s"}
    return {"error": f"it ended the process that renders (status {status})"}

  def close(self) -> int:
    """Ends it; its exit status, or minus the signal that ended it."""
    for pipe in (self._child.stdin, self._child.stdout):
      try:
        pipe.close()
      except OSError:
        pass  # what it did not take any more
    try:
      return self._child.wait(timeout=5)
    except subprocess.TimeoutExpired:
      self._child.kill()
      return self._child.wait()


_lock = threading.Lock()
_running: list[_Process] = []


def _process() -> _Process:
  """The process; another one where it ended, or where it is the parent's of a fork."""
  if not _running or not _running[0].alive:
    _running[:] = [_Process()]
  return _running[0]


@atexit.register
def _close() -> None:
  if _running and _running[0].owner == os.getpid():
    _running.pop().close()
