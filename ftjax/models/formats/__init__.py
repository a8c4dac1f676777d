"""The formats that checkpoints come in, each a module with

  NAME                what people call it
  FILES               the files that it is known by, for messages
  find(folder)        -> its files there, none where the folder has no such weights
  headers(files)      -> {transformers' name: stored.Stored}, from headers alone: nothing runs, no
                         tensor is read, and no length is believed that the files do not have

and, where the format does not go with a config.json, config(files) -> what that would say.
"""
