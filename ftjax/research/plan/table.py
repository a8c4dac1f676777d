"""A plan as a Markdown table, for people."""

from typing import Any

GIB = 2**30


def lines(found: Any, source: str) -> list[str]:
  """Of a planning.Planned. source: the model's name."""
  total = found.peak_bytes_per_chip
  share = total / found.usable_bytes_per_chip
  how = f"compiled in {found.compile_seconds:g} s" if found.compiled else "estimated by formula"
  rows = [
    ("model", source),
    ("devices", f"{found.devices} of {found.topology}, {_size(found.usable_bytes_per_chip)} each"),
    ("**fits**", f"**{'yes' if found.fits else 'no'}**, {how}"),
    ("**peak per device**", f"**{_size(total)}** ({share:.0%} of it)" if total else "unknown"),
    ("parameters, trained", _size(found.trained_bytes)),
    ("parameters, frozen", _size(found.frozen_bytes)),
    ("optimizer", _size(found.optimizer_bytes)),
    ("activations and all else that is temporary", _size(found.temporary_bytes)),
    ("train.remat", found.remat),
  ]
  if found.host_bytes:
    rows.append(("activations in the host's memory", _size(found.host_bytes)))
  for kind, x in found.collectives.items():
    rows.append((f"{kind}, a step", f"{x.count:,} times, {_size(x.bytes)} sent per device"))
  rows.append(("tokens in a step whose rows are full", f"{found.tokens:,}"))
  if t := found.estimated:
    rate = lambda seconds: f"{found.tokens / seconds:,.0f}"
    rows += [
      ("FLOPs of a step, per device", f"{t.flops:.3g} (by formula)"),
      ("computing / memory / network", f"{t.compute:.3g} / {t.memory:.3g} / {t.network:.3g} s"),
      ("estimate of a step", f"{t.least:.3g} s if all of it overlaps, {t.most:.3g} s if none does"),
      ("estimate of tokens/s", f"{rate(t.most)} to {rate(t.least)} at peak rates: a roofline"),
    ]
  out = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
  more = [found.said and f"The compiler: {found.said}", found.advice]
  return out + ["", *filter(None, more)] if any(more) else out


def _size(n: float) -> str:
  return f"{n / GIB:,.2f} GiB" if n >= 0.01 * GIB else f"{n / 2**20:,.2f} MiB"
