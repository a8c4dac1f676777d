"""What a kind of adapter does where it does nothing: a kind's file imports from here what it leaves
as it is. See adapters/kinds.py for what each function is for."""


def read_by_layers(path):
  """Always: no parameter is another one because of it."""
  return True


def inputs(x, leaves):
  """The layer's input as it is."""
  return x


def linear(y, x, dropped, kernel, leaves):
  """The product as it is."""
  return y


def outputs(y, leaves):
  """The layer's output as it is."""
  return y


def keys(leaves):
  """No keys of its own."""
  return None


def virtual(variables):
  """No virtual tokens."""
  return 0, 0


def embedded(x_BTD, numbers_BT, leaves):
  """Token vectors as they are."""
  return x_BTD


def merge(name, leaf, adapter):
  """The parameter as it is."""
  return leaf


def part(adapter, index):
  """All of it."""
  return dict(adapter)


def check_merge(names, adapter):
  """Nothing that no parameter could take."""
