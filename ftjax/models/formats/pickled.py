"""torch.save's pickles, read without the pickle module.

A pickle is a program for a small stack machine whose REDUCE instruction calls any function that a
GLOBAL names: that is how loading one can run code. The machine here has only the instructions that
a dict of tensors needs, and GLOBAL gives one of our own constructors from a table, never something
that was imported. Whatever else a file asks for is refused by name. The standard library's pickle
is not used at all, whose C code also reserves whatever memory a file claims to need.

Source of the instructions: Lib/pickletools.py; of the names: torch/_utils.py, torch/serialization.py.
"""

import io
import pickletools
from typing import Any, NamedTuple

from ftjax.config import InputError

LIMIT = 1 << 25  # bytes of a pickle; a tensor takes some hundred
_CONVERT = (
  "If you trust whoever made it, write it as safetensors once, with torch: "
  "`from safetensors.torch import save_file; save_file(torch.load(FILE), 'model.safetensors')`."
)


class Storage(NamedTuple):
  """A flat array that tensors are views of."""

  key: str
  dtype: str
  size: int  # in items


class View(NamedTuple):
  """A tensor, as the pickle describes it."""

  storage: Storage
  offset: int  # in items, as the strides
  shape: tuple[int, ...]
  strides: tuple[int, ...]


_STORAGES = {
  "Float": "F32", "Half": "F16", "BFloat16": "BF16", "Double": "F64", "Byte": "U8", "Char": "I8",
  "Short": "I16", "Int": "I32", "Long": "I64", "Bool": "BOOL",
}  # fmt: skip
ITEMSIZE = {
  "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "U8": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8,
  "BOOL": 1,
}  # fmt: skip


class _Type(NamedTuple):
  """A storage class: only ever named in persistent ids."""

  dtype: str


def _tensor(storage, offset, shape, strides, *_) -> View:
  if not isinstance(storage, Storage):
    raise ValueError("a tensor without a storage")
  numbers = offset, *_is(shape, tuple), *_is(strides, tuple)
  if not all(type(x) is int and x >= 0 for x in numbers) or len(shape) != len(strides):
    raise ValueError("a tensor whose shape, strides or offset are not sizes")
  return View(storage, offset, shape, strides)


def _parameter(data, *_) -> View:
  return data


def _dict(*items) -> dict:
  if items:
    raise ValueError("an OrderedDict with arguments")
  return {}


_GLOBALS: dict[str, Any] = {
  "collections OrderedDict": _dict,
  "torch._utils _rebuild_tensor_v2": _tensor,
  "torch._utils _rebuild_parameter": _parameter,
} | {f"torch {kind}Storage": _Type(dtype) for kind, dtype in _STORAGES.items()}
_CONSTRUCTORS = (_dict, _tensor, _parameter)


def _storage(pid) -> Storage:
  kind, type_, key, _, size, *view = _is(pid, tuple)
  if kind != "storage" or not isinstance(type_, _Type) or not isinstance(key, str):
    raise ValueError("a persistent id that is no storage")
  if view not in ([], [None]):
    raise ValueError("a view of a storage, as PyTorch 0.3 and older wrote")
  if type(size) is not int or size < 0:
    raise ValueError("a storage whose length is no size")
  return Storage(key, type_.dtype, size)


def load(file: io.BytesIO, name: str) -> Any:
  """The object that the pickle at the file's position describes: dicts, lists, tuples, numbers,
  texts and Views. The position is then behind it.

  Raises InputError, in the name of `name`, for a pickle that wants more than that or is broken.
  """
  try:
    return _run(file)
  except InputError as e:
    raise InputError(f"{name} {e}") from e
  except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as e:
    raise InputError(f"{name} is not a pickle of tensors, or a broken one: {e}.") from e


def _run(file: io.BytesIO) -> Any:
  # Values are only moved about, never compared, hashed or printed: references to references make
  # small pickles whose values are endless.
  stack: list[Any] = []
  marks: list[int] = []
  memo: dict[int, Any] = {}

  def marked() -> list[Any]:
    at = marks.pop()
    items = stack[at:]
    del stack[at:]
    return items

  def put(items: list[Any]) -> None:
    keys, values = items[::2], items[1::2]
    _is(stack[-1], dict).update((_is(k, str), v) for k, v in zip(keys, values, strict=True))

  for code, arg, _ in pickletools.genops(file):
    match code.name:
      case "PROTO" | "FRAME":
        pass
      case "MARK":
        marks.append(len(stack))
      case "EMPTY_DICT":
        stack.append({})
      case "EMPTY_LIST":
        stack.append([])
      case "EMPTY_TUPLE":
        stack.append(())
      case "NONE" | "NEWTRUE" | "NEWFALSE":
        stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[code.name])
      case (
        "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE"
      ):
        stack.append(arg)
      case "BINPUT" | "LONG_BINPUT":
        memo[arg] = stack[-1]
      case "MEMOIZE":
        memo[len(memo)] = stack[-1]
      case "BINGET" | "LONG_BINGET":
        stack.append(memo[arg])
      case "TUPLE":
        stack.append(tuple(marked()))
      case "TUPLE1" | "TUPLE2" | "TUPLE3":
        n = int(code.name[-1])
        stack[-n:] = [tuple(stack[-n:])]
      case "SETITEM":
        items = stack[-2:]
        del stack[-2:]
        put(items)
      case "SETITEMS":
        put(marked())
      case "APPEND":
        value = stack.pop()
        _is(stack[-1], list).append(value)
      case "APPENDS":
        items = marked()
        _is(stack[-1], list).extend(items)
      case "GLOBAL":
        stack.append(_global(arg))
      case "STACK_GLOBAL":
        attribute, module = _is(stack.pop(), str), _is(stack.pop(), str)
        stack.append(_global(f"{module} {attribute}"))
      case "REDUCE":
        args, function = stack.pop(), stack.pop()
        if not any(function is f for f in _CONSTRUCTORS):
          raise ValueError(f"a call of a {type(function).__name__}")
        stack.append(function(*_is(args, tuple)))
      case "BUILD":
        stack.pop()
        _is(stack[-1], dict)  # an OrderedDict's attributes: the _metadata of a state dict
      case "BINPERSID":
        stack.append(_storage(stack.pop()))
      case "STOP":
        return stack.pop()
      case _:
        raise InputError(
          f"has a pickle with the instruction {code.name}, which no weights need. {_CONVERT}"
        )


def _global(name: str) -> Any:
  if name not in _GLOBALS:
    raise InputError(
      f"asks for {name.replace(' ', '.')[:80]!r} while it is loaded. Weights need tensors only: this "
      f"could run any code, so nothing was loaded. {_CONVERT}"
    )
  return _GLOBALS[name]


def _is(value: Any, kind: type) -> Any:
  if not isinstance(value, kind):
    raise ValueError(f"{type(value).__name__} where a {kind.__name__} must be")
  return value
