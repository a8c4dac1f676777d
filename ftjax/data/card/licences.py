"""Names of licences as the Hugging Face hub's cards write them (its docs: "Licenses")."""

from __future__ import annotations

import re
from collections.abc import Iterable

_KNOWN = (
  "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "mpl-2.0", "gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0",
  "agpl-3.0", "unlicense", "wtfpl", "zlib", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
  "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-2.0",
  "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nd-4.0", "odc-by", "odbl",
  "pddl", "gfdl", "openrail",
)  # fmt: skip
_ALSO = {
  "apache": "apache-2.0", "apache-2": "apache-2.0", "apache-license-2.0": "apache-2.0", "mit-license": "mit",
  "cc0": "cc0-1.0", "public-domain": "cc0-1.0", "odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "fdl": "gfdl",
}  # fmt: skip
_URL = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z0-9-]+)/(\d\.\d)")


def hub_id(licence: str) -> str:
  """The hub's name of a licence, or "" for one that it has no name for."""
  text = licence.strip().lower()
  if found := _URL.search(text):
    text = "cc0-1.0" if found[2] == "zero" else f"cc-{found[2]}-{found[3]}"
  text = re.sub(r"[\s_]+", "-", text.removeprefix("the ").removesuffix(" license"))
  text = _ALSO.get(text, text)
  return text if text in _KNOWN else ""


def of_all(licences: Iterable[str]) -> list[str]:
  """The `license` of a card: the sources' own; "unknown" where one says nothing, "other" where the
  hub has no name for it."""
  names = {hub_id(text) or ("other" if text.strip() else "unknown") for text in licences}
  return sorted(names) or ["unknown"]
