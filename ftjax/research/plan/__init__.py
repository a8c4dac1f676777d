"""Planning a run before its machine is rented: facts about chips, what a compiled step says of
itself, and what it can be expected to cost."""
