"""The text behind the starter model: a seeded writer of plain English that says again, in another
form, what stands above it; and its tokenizer.

`documents.documents` writes what the model is pretrained on, `tokenizer.train_tokenizer` learns
the vocabulary from it, and `quickstart.write_quickstart` writes the small set that README
fine-tunes on. Nothing is read from disk: the same seed gives the same text anywhere.
"""
