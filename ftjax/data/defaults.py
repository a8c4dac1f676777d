"""All keys of configs/data/*.py with their defaults, and what each means."""

from ml_collections import ConfigDict, FieldReference

KEEP, MASK, HASH, DROP = "keep", "mask", "hash", "drop"


def get_config() -> ConfigDict:
  """The defaults: clean, drop what is broken or repeated, mask personal data, hold out 5%."""
  c = ConfigDict()
  # One source or several: a path, glob, folder, hf:NAME, tfds:NAME or URL, or a dict with `path` and,
  # where wanted, name, licence, category, rows, fields, prompt, response, weight, cap.
  c.sources = FieldReference("", field_type=object)  # text on the command line, lists in a file
  c.validation = FieldReference("", field_type=object)  # the same; all rows are validation rows
  c.output = ""  # the folder that holds the versions
  c.format = "auto"  # of the rows of tables: as data.format of training
  c.rows = "text"  # of documents: text | title | outline | section | opening (see docs/data.md)
  c.prompt = ""  # a template for the prompt with fields in braces: "Write about {title}."
  c.response = ""  # the same for the answer: "{text}"

  c.clean = x = ConfigDict()
  x.fix = True  # mend broken encodings (ftfy), remove control characters; typography stays
  x.unicode = "NFC"  # NFC | NFKC | none
  x.markup = True  # remove leftover HTML tags and entities, wiki links, BBCode
  x.boilerplate = True  # remove cookie notices, share buttons, navigation lines
  x.whitespace = True

  c.language = x = ConfigDict()
  x.keep = ""  # "en" or "en,de"; "" = all, only counted
  x.min_probability = 0.5
  x.min_words = 5  # shorter rows are not judged

  c.quality = x = ConfigDict()
  x.enabled = True
  x.min_words = 3  # of a document; an answer may have one
  x.max_words = 100_000  # of the document or answer
  x.min_document = 50  # words from which on the rules below are applied
  x.max_answer_repetition = 0.5  # of answers: share of characters in 10-grams that stood before
  # The rest for documents only (Gopher, C4, FineWeb; see ftjax/data/clean/quality.py).
  x.min_mean_word_length = 2.0
  x.max_mean_word_length = 15.0
  x.max_symbol_ratio = 0.1  # of "#" and ellipses to words
  x.min_alphabetic_words = 0.6  # share of words with a letter
  x.min_stop_words = 2  # different ones
  x.max_bullet_lines = 0.9
  x.max_ellipsis_lines = 0.3
  x.min_terminal_lines = 0.12  # share of lines that end in punctuation
  x.max_lorem_ipsum = 0  # times
  x.max_duplicate_lines = 0.3  # share of lines (of three words and more) that stood before
  x.max_duplicate_line_characters = 0.2
  x.max_duplicate_paragraphs = 0.3
  x.max_top_2gram = 0.2  # share of characters in the most frequent n-gram
  x.max_top_4gram = 0.16
  x.max_duplicate_5gram = 0.15  # share of characters in n-grams that stood before
  x.max_duplicate_10gram = 0.10

  c.words = x = ConfigDict()
  x.profanity = "keep"  # keep (and count) | mask | drop
  x.lists = ""  # files of words or phrases of your own policy, one a line, "#" for comments
  x.listed = "drop"  # keep | mask | drop

  c.secrets = "mask"  # API keys, private keys, passwords: keep | mask | drop

  c.pii = x = (
    ConfigDict()
  )  # each: keep | mask ("[EMAIL]") | hash ("[EMAIL:9f2c41]") | drop (the row)
  x.email = MASK
  x.phone = MASK
  x.card = MASK
  x.iban = MASK
  x.ip = MASK
  x.national_id = MASK
  x.name = KEEP  # not looked for; the others need presidio-analyzer
  x.key = ""  # of the hash; or the name of an environment variable: "env:PII_KEY"
  x.regions = ""  # whose national phone numbers are known: "US,DE"; "" = ten large countries
  x.private_ips = True  # also addresses of private and documentation networks, never 127.0.0.1
  x.name_language = "en"

  c.dedup = x = ConfigDict()
  x.exact = True  # after lower-casing, and without punctuation and spacing
  x.near = True
  x.threshold = 0.8  # Jaccard similarity of shingles, from which on two rows are near duplicates
  x.shingle = 3  # words
  x.bands = 30  # more find more of the pairs at the threshold, and cost as much more
  x.rows = 5  # of a band: bands * rows permutations
  x.seed = 1

  c.balance = x = ConfigDict()
  x.max_share = 0.5  # of a source, category or template, above which the card warns
  x.cap = 0  # rows of a source at most; 0 = all

  c.split = x = ConfigDict()
  x.validation = 0.05  # of the clusters
  x.test = 0.0
  x.seed = ""  # any text; another one makes another split

  c.write = x = ConfigDict()
  x.formats = "jsonl"  # beside Parquet: jsonl, openai, alpaca
  x.shard_rows = 100_000

  c.card = x = ConfigDict()
  x.tokenizer = "starter"  # a folder, a hub id or "starter": whose tokens are counted
  x.examples = 10  # of what each step dropped and changed

  c.run = x = ConfigDict()
  x.engine = "local"  # local | another (docs/data.md)
  x.workers = 0  # processes; 0 = all cores
  x.memory = "2GB"  # of all processes together, about
  x.max_line = "50MB"  # a longer line or file member is refused; MB and MiB are told apart
  x.keep_inputs = False  # keep a copy of every input, so that replay never lacks one
  return c
