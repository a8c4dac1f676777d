"""References as sacreBLEU wants them."""

from collections.abc import Sequence


def streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
  """Stream k holds every prompt's k-th reference; None where a prompt has fewer."""
  most = max(map(len, references), default=0)
  return [[r[k] if k < len(r) else None for r in references] for k in range(most)]
