"""Where a source's files are: in a folder, with this program, or in the local cache of the Hugging
Face hub, whose client downloads what is not there yet."""

import os
import re
from pathlib import Path

from ftjax.config import InputError
from ftjax.log import say
from ftjax.models import carried

STARTER = Path(__file__).resolve().parents[1] / "assets" / "starter"
# Of a repository: the files beside the weights, and the weights in the first of these formats only.
_BESIDE = (
  r".*\.(json|model|txt|jinja|tiktoken)|(LICEN[CS]E|NOTICE|USE_POLICY).*"
  r"|adapter_model\.(safetensors|bin)"
)
_WEIGHTS = (
  r"(?!consolidated|adapter_model).*\.safetensors",
  r"pytorch_model.*\.bin",
  r"flax_model.*\.msgpack",
  r"consolidated\.\d+\.pth",
)


def resolve(source: str, revision: str = "") -> Path:
  """The local folder of a source: a folder, "starter", or a hub id ("owner/name").

  revision: of a hub id; a branch, a tag or a commit (which pins it), "" for the main branch.
  Without network, or with HF_HUB_OFFLINE=1, the hub's cache (HF_HOME) is enough. Raises InputError
  with what to do: no such folder or model, a gated model, no such revision, no network; and for links
  that lead out of the folder.
  """
  if source == "starter":
    return STARTER
  folder = Path(source).expanduser()
  if folder.is_dir():
    return carried.checked(folder)
  if folder.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1:
    raise InputError(
      f"model.source={source!r}: there is no such folder (looked from {Path.cwd()})."
    )
  return carried.checked(_download(source, revision or None))


def is_local(source: str) -> bool:
  """Whether a source is with this program or a folder of this machine, and no hub id."""
  return source == "starter" or Path(source).expanduser().is_dir()


def commit(folder: Path) -> str:
  """The commit that a folder of the hub's cache holds; "" for another folder."""
  return folder.name if folder.parent.name == "snapshots" else ""


def source_name(source: str, folder: Path, writer: Path) -> str:
  """How a file in the folder `writer` refers to a source, whose local folder this is: a hub id and
  "starter" stay, and a folder is named by its path from there."""
  if source == "starter" or not (is_local(source) or source.startswith((".", "/"))):
    return source
  path = os.path.relpath(Path(folder).resolve(), Path(writer).resolve())
  return path if path.startswith(".") else f"./{path}"


def named_in(folder: Path, name: str) -> str:
  """The source that a file in a folder means by `name`: a path from there, or from here; or a hub id.
  PEFT's own are from here, so that one which does not begin with a dot is looked up here first."""
  beside, here = os.path.normpath(Path(folder).resolve() / name), name
  places = (beside, here) if name.startswith(".") else (here, beside)
  return next((p for p in places if Path(p).is_dir()), places[0])


def _download(source: str, revision: str | None) -> Path:
  """The folder in the hub's cache, with all that is needed from there."""
  from huggingface_hub import HfApi, errors, snapshot_download

  try:
    try:
      files = HfApi().list_repo_files(source, revision=revision)
    except (errors.HTTPError, OSError) as e:  # No network, no access: it may be in the cache.
      return _cached(source, revision, e)
    wanted = wanted_files(files)
    return Path(snapshot_download(source, revision=revision, allow_patterns=wanted))
  except (errors.HTTPError, errors.HFValidationError, OSError) as e:
    raise InputError(f"model.source={source!r} {_why(e, source, revision)}{_beside(source)}") from e


def _beside(source: str) -> str:
  """For a message: what there is where a folder was perhaps meant."""
  parent = Path(source).parent
  if "/" not in source or not parent.is_dir():
    return ""
  some = sorted(p.name for p in parent.iterdir() if p.is_dir())
  return f" If a folder was meant: {parent}/ is here and has {', '.join(some[:9]) or 'no folders'}."


def wanted_files(files: list[str]) -> list[str]:
  """Those of a repository's files to download."""
  matching = lambda pattern: [f for f in files if "/" not in f and re.fullmatch(pattern, f)]
  weights = next(filter(None, map(matching, _WEIGHTS)), [])
  return sorted({*matching(_BESIDE), *weights})


def _cached(source: str, revision: str | None, why: Exception) -> Path:
  """The cache's copy, even of a part of the repository: what lacks is said by who needs it."""
  from huggingface_hub import errors, snapshot_download

  try:
    found = snapshot_download(source, revision=revision, local_files_only=True)
  except errors.LocalEntryNotFoundError as e:
    found = getattr(e, "snapshot_path", None)
    if not found:
      raise why from e
  if not isinstance(why, errors.OfflineModeIsEnabled):
    say(
      f"The hub did not answer for {source} ({type(why).__name__}): its copy in the cache is used."
    )
  return Path(found)


def _why(e: Exception, source: str, revision: str | None) -> str:
  """What went wrong and what to do, for the end of a sentence that begins with the source."""
  from huggingface_hub import constants, errors

  page = f"https://huggingface.co/{source}"
  status = getattr(getattr(e, "response", None), "status_code", None)
  match e:
    case errors.GatedRepoError():
      return (
        f"is gated. Accept its terms on {page}, then log in with an account that has access: "
        "`hf auth login`, or HF_TOKEN=... in the environment."
      )
    case errors.RevisionNotFoundError():
      return (
        f"has no revision {revision!r} (model.revision). Give a branch, a tag or a commit from "
        f"{page}/commits, or leave it empty."
      )
    case errors.RepositoryNotFoundError():
      return (
        "is no folder here and no model on the hub, or a private one. Check the spelling "
        "(owner/name); for a private model log in: `hf auth login`."
      )
    case errors.HFValidationError():
      return "is no folder here and cannot be a hub id, which is owner/name."
    case errors.OfflineModeIsEnabled():
      return (
        f"is no folder here and not in the hub's cache ({constants.HF_HUB_CACHE}), and "
        f"HF_HUB_OFFLINE is set. Unset it, or run `hf download {source}` where there is network."
      )
    case errors.HTTPError() if status:
      return f"could not be fetched: the hub answered with status {status}. Try again later. ({e})"
    case errors.HTTPError() | ConnectionError() | TimeoutError() | errors.LocalEntryNotFoundError():
      return (
        f"is no folder here and not in the hub's cache ({constants.HF_HUB_CACHE}), and the hub "
        f"cannot be reached ({type(e).__name__}). Check the network, give a folder, or 'starter'."
      )
    case _:
      return f"could not be fetched: {e}"
