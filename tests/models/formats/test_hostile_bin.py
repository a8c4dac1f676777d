"""Files that say they are PyTorch's and would run code or swamp the machine: an error each."""

import io
import os
import pickle
import shutil
import struct
import tracemalloc
import zipfile

import jax
import jax.numpy as jnp
import pytest
import torch

from ftjax.config import InputError
from ftjax.models import hf
from ftjax.models.formats import torch_bin
from ftjax.models.tensors import SINGLE
from tests.models.reference import tensors_of


@pytest.fixture
def folder(variant, tmp_path):
  """A copy of the tiny llama without its weights."""
  to = shutil.copytree(variant("llama"), tmp_path / "model")
  (to / SINGLE).unlink()
  return to


class Call:
  """Pickles as a call of a function."""

  def __init__(self, function, *args):
    self._call = function, args

  def __reduce__(self):
    return self._call


def _by_stack_global(module: bytes, name: bytes) -> bytes:
  """A pickle whose function is named by texts on the stack (protocol 4)."""
  short = lambda text: b"\x8c" + bytes([len(text)]) + text
  return b"\x80\x04" + short(module) + short(name) + b"\x93" + short(b"x") + b"\x85R."


CODE = {
  "'(posix|nt).system'": lambda mark: pickle.dumps(Call(os.system, f"touch {mark}"), 2),
  "'__builtin__.eval'": lambda mark: pickle.dumps(Call(eval, f"open({str(mark)!r}, 'w')"), 2),
  "'posix.mkdir'": lambda mark: pickle.dumps({"a": [Call(os.mkdir, str(mark))]}, 4),
  "'os.system'": lambda mark: _by_stack_global(b"os", b"system"),
  "'torch._utils.os.system'": lambda mark: _by_stack_global(b"torch._utils", b"os.system"),
  "'torch.hub.load'": lambda mark: b"\x80\x02ctorch.hub\nload\n.",
  "instruction INST": lambda mark: b"(X\x04\x00\x00\x00trueios\nsystem\n.",
  "instruction EXT1": lambda mark: b"\x80\x02\x82\x01.",
  "instruction NEWOBJ": lambda mark: b"\x80\x02ccollections\nOrderedDict\n)\x81.",
  "a call of a _Type": lambda mark: b"\x80\x02ctorch\nFloatStorage\n)R.",
  "a call of a str": lambda mark: b"\x80\x02X\x01\x00\x00\x00a)R.",
  "instruction FLOAT": lambda mark: b"F1.0\n.",
}  # fmt: skip


def archive(path, pickled: bytes, compression=zipfile.ZIP_STORED, **entries: bytes) -> None:
  """A zip as torch.save lays it out."""
  with zipfile.ZipFile(path, "w", compression) as z:
    z.writestr("archive/data.pkl", pickled)
    for name, content in entries.items():
      z.writestr(f"archive/data/{name}", content)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("message", CODE)
def test_a_pickle_that_would_run_code(folder, tmp_path, message, legacy):
  mark = tmp_path / "mark"
  bad = CODE[message](mark)
  path = folder / torch_bin.SINGLE
  if legacy:
    magic = pickle.dumps(torch_bin._MAGIC, 2) + pickle.dumps(1001, 2)
    path.write_bytes(magic + pickle.dumps({"little_endian": True}, 2) + bad)
  else:
    archive(path, bad)
  asks = f"asks for {message} while it is loaded" if message.startswith("'") else message
  with pytest.raises(InputError, match=asks):
    hf.open_checkpoint(folder)
  assert not mark.exists()


def test_the_pickles_are_what_they_seem(tmp_path):
  """The standard library does run them: the test above is one of something."""
  mark = tmp_path / "mark"
  pickle.loads(CODE["'posix.mkdir'"](mark))
  assert mark.exists()


def tensor(shape, strides, size=6, offset=0, key="0", kind="FloatStorage") -> bytes:
  """The pickle of {"x": a tensor} with any claims."""

  class Writer(pickle._Pickler):
    def persistent_id(self, x):
      return ("storage", getattr(torch, kind), key, "cpu", size) if x is Writer else None

  build = torch._utils._rebuild_tensor_v2
  file = io.BytesIO()
  Writer(file, 2).dump({"x": Call(build, Writer, offset, shape, strides, False, {})})
  return file.getvalue()


HUGE = 1 << 50
CLAIMS = {
  "fewer bytes than the storage of 'x' claims, 1125899906842624 items": tensor((2,), (1,), HUGE),
  "'x' of shape .* reaches beyond its storage": tensor((7,), (1,)),
  "of shape .1125899906842624,. reaches beyond": tensor((HUGE,), (1,)),
  "'x' of shape .2, 3. reaches beyond": tensor((2, 3), (3, 1), offset=1),
  r"the strides \(0,\) of 'x' overlap": tensor((HUGE,), (0,)),
  r"the strides \(1, 1\) of 'x' overlap": tensor((2, 3), (1, 1)),
  "'x' with gaps between its items": tensor((3,), (2,)),
  "shape, strides or offset are not sizes": tensor((-2, 3), (3, 1)),
  "offset are not sizes": tensor((2, 3), (3, 1), offset=-1),
  "length is no size": tensor((2,), (1,), size=-1),
  "fewer bytes than the storage of 'x'": tensor((2,), (1,), key="../../other"),
  "a tuple must be": tensor([2, 3], (3, 1)),
  "holds something else than a dict of tensors": pickle.dumps({"x": 3}, 2),
  "something else than a dict": pickle.dumps([1, 2], 2),
  "or a broken one: pickle exhausted": tensor((2,), (1,))[:-1],
  "or a broken one": b"\x80\x02\x8e" + struct.pack("<Q", HUGE) + b".",
  "a broken one: .*not enough data|expected": b"\x80\x02X" + struct.pack("<I", 1 << 31) + b"a.",
}


@pytest.mark.parametrize("message", CLAIMS)
def test_claims_that_the_file_does_not_bear(folder, message):
  """An error, and no memory for what is claimed."""
  archive(folder / torch_bin.SINGLE, CLAIMS[message], **{"0": bytes(24)})
  tracemalloc.start()
  with pytest.raises(InputError, match=message):
    hf.open_checkpoint(folder)
  assert tracemalloc.get_traced_memory()[1] < 10 << 20
  tracemalloc.stop()


def test_values_that_refer_to_each_other_without_end(folder):
  """Thirty doublings of a tuple: only moved about, never walked."""
  grown = b"\x80\x02)" + b"".join(b"q\x01h\x01\x86" for _ in range(30))
  for end in (b".", b"}" + b"q\x02X\x01\x00\x00\x00a.", b"Q.", b"h\x01\x86."):
    archive(folder / torch_bin.SINGLE, grown + end)
    with pytest.raises(InputError):
      hf.open_checkpoint(folder)
  archive(folder / torch_bin.SINGLE, b"\x80\x02}" + grown[2:] + b"Ns.")
  with pytest.raises(InputError, match="tuple where a str must be"):
    hf.open_checkpoint(folder)


def _bomb(path):
  archive(path, tensor((6,), (1,)), zipfile.ZIP_DEFLATED, **{"0": bytes(1 << 24)})


def _cut(path):
  torch.save({"x": torch.zeros(1000)}, path)
  path.write_bytes(path.read_bytes()[:-200])


def _cut_within(path):
  """The directory at the end is whole and says more than there is."""
  archive(path, tensor((6,), (1,)), **{"0": bytes(24)})
  data = bytearray(path.read_bytes())
  at = data.rindex(b"PK\1\2")
  data[at + 24 : at + 28] = struct.pack("<I", 1 << 30)
  path.write_bytes(data)


def _cut_legacy(path):
  torch.save({"x": torch.zeros(1000)}, path, _use_new_zipfile_serialization=False)
  path.write_bytes(path.read_bytes()[:-200])


FILES = {
  "has a compressed entry, 'archive/data.pkl'.* could be of any size": _bomb,
  "is not a whole file of torch.save|not a pickle of tensors": _cut,
  "reaches beyond the end of the file": _cut_within,
  "its storages reach beyond the end": _cut_legacy,
  "a zip archive that torch.save did not write": lambda p: zipfile.ZipFile(p, "w").close(),
  "is not a pickle of tensors": lambda p: p.write_bytes(b"hello"),
  "is not a file of torch.save": lambda p: p.write_bytes(pickle.dumps(3, 2)),
}


@pytest.mark.parametrize("message", FILES)
def test_files_that_are_not_whole(folder, message):
  FILES[message](folder / torch_bin.SINGLE)
  with pytest.raises(InputError, match=message):
    hf.open_checkpoint(folder)


def test_a_file_that_is_cut_after_it_was_opened(variant, folder):
  path = folder / torch_bin.SINGLE
  torch.save({k: torch.from_numpy(v) for k, v in tensors_of(variant("llama")).items()}, path)
  c = hf.open_checkpoint(folder)
  path.write_bytes(path.read_bytes()[:5000])
  with pytest.raises(InputError, match="ends within the tensor .* Copy it again"):
    hf.read(c, jnp.float32)
  assert not [x for x in jax.live_arrays() if x.shape == (97, 32)]
