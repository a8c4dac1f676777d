"""The process in which chat templates are rendered (text/sandbox.py): a request a line on stdin, an
answer a line on stdout, until stdin ends."""

import datetime
import json
import os
import resource
import signal
import sys


def main(seconds: int, memory: int) -> None:
  """Answers requests. One that takes more than `seconds` of a processor ends the process by SIGPROF."""
  out = os.fdopen(os.dup(1), "wb")
  os.dup2(2, 1)  # What libraries print is no answer.
  sys.modules["torch"] = None  # transformers would import it, and needs it for nothing here
  import jinja2
  from transformers import PreTrainedTokenizerBase
  from transformers.utils import chat_template_utils

  class Clock(datetime.datetime):
    """What strftime_now asks: the day of the request, or the time."""

    day = ""

    @classmethod
    def now(cls, tz=None):
      return cls.fromisoformat(cls.day) if cls.day else super().now(tz)

  chat_template_utils.datetime = Clock

  class Tokenizer:
    """What a template sees of one."""

    get_chat_template = PreTrainedTokenizerBase.get_chat_template
    apply_chat_template = PreTrainedTokenizerBase.apply_chat_template

    def __init__(self, template: str, special_tokens: dict[str, str]):
      self.chat_template, self.special_tokens_map = template, special_tokens

  if sys.platform == "linux":  # Elsewhere the system does not hold a process to it.
    with open("/proc/self/statm", encoding="ascii") as statm:
      mine = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mine + memory,) * 2)
  for line in sys.stdin.buffer:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
      request = json.loads(line)
      Clock.day = request["day"]
      tokenizer = Tokenizer(request["template"], request["special_tokens"])
      text = tokenizer.apply_chat_template(**request["arguments"], tokenize=False)
      most = request["characters"]
      if len(text) > most:
        raise ValueError(f"it makes a text of {len(text)} characters, and {most} are the most")
      answer = {"text": text}
    except MemoryError:
      answer = {"error": f"it takes more than {memory >> 20} MiB of memory"}
    except (jinja2.TemplateError, TypeError, ValueError) as e:
      answer = {"error": str(e)[:500]}
    except Exception as e:  # A template can raise anything.
      answer = {"error": f"{type(e).__name__}: {e}"[:500]}
    signal.setitimer(signal.ITIMER_PROF, 0)
    out.write(json.dumps(answer).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
  main(*map(int, sys.argv[1:]))
