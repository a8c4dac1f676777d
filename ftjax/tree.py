"""Trees of named leaves: names, patterns, splitting, differences.

A leaf's name is its path joined by "/", as in "params/layers/attention/query/kernel".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

Tree = Any


def flatten(tree: Mapping) -> dict[str, Any]:
  """{name: leaf} of nested mappings, sorted by path."""
  return {_name(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def unflatten(named: Mapping[str, Any]) -> dict:
  """The nested dict whose leaves have these names."""
  tree: dict = {}
  for name, leaf in named.items():
    *parents, last = name.split("/")
    node = tree
    for parent in parents:
      node = node.setdefault(parent, {})
    node[last] = leaf
  return tree


def map_named(fn: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
  """jax.tree.map, with each leaf's name as the first argument."""
  return jax.tree_util.tree_map_with_path(
    lambda path, *leaves: fn(_name(path), *leaves), tree, *rest
  )


def match(name: str, table: Sequence[tuple[str, Any]]) -> Any:
  """The value of the one pattern (a regex, matched to the whole name) that matches; anything else
  is an error.

  A table with no catch-all means that a new parameter must be thought about before it can be
  trained.
  """
  hits = [(pattern, value) for pattern, value in table if re.fullmatch(pattern, name)]
  if len(hits) != 1:
    found = " and ".join(repr(p) for p, _ in hits) or "none"
    raise ValueError(
      f"{name!r} must match exactly one pattern, but matches {found} of {[p for p, _ in table]}"
    )
  return hits[0][1]


def split(tree: Mapping, keep: Callable[[str], bool]) -> tuple[dict, dict]:
  """(leaves whose name `keep` accepts, the others), both as nested dicts."""
  named = flatten(tree)
  return (
    unflatten({n: x for n, x in named.items() if keep(n)}),
    unflatten({n: x for n, x in named.items() if not keep(n)}),
  )


def merge(*trees: Mapping) -> dict:
  """One nested dict of all leaves; a name that two trees share is an error."""
  named: dict[str, Any] = {}
  for tree in trees:
    for name, leaf in flatten(tree).items():
      if name in named:
        raise ValueError(f"{name!r} is in two of the trees to be merged")
      named[name] = leaf
  return unflatten(named)


def count(tree: Tree) -> int:
  """The number of elements of all leaves (arrays or shape structs)."""
  return sum(x.size for x in jax.tree.leaves(tree))


def nbytes(tree: Tree) -> int:
  """The bytes of all leaves (arrays or shape structs)."""
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def diff(ours: Mapping[str, Any], theirs: Mapping[str, Any], names: tuple[str, str]) -> str:
  """What stands only on one side or differs, a line each, both values shown. Empty when equal."""
  lines = [f"  only in {names[0]}: {k} = {ours[k]}" for k in sorted(ours.keys() - theirs.keys())]
  lines += [f"  only in {names[1]}: {k} = {theirs[k]}" for k in sorted(theirs.keys() - ours.keys())]
  for k in sorted(ours.keys() & theirs.keys()):
    if ours[k] != theirs[k]:
      lines.append(f"  {k}: {ours[k]} in {names[0]}, {theirs[k]} in {names[1]}")
  return "\n".join(lines)


def _name(path) -> str:
  return "/".join(
    str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path
  )
