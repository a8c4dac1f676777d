"""What is said of each kind of broken line, what to do about it, and whether `--fix` does it."""

BROKEN = "broken-json"

WORDING: dict[str, tuple[str, str, bool]] = {
  BROKEN: ("This is not JSON: {why}.", "Mend the line by hand, or remove it.", False),
  "broken-table": ("{why}", "Mend the line, or remove it.", False),
  "trailing-comma": ("A comma that nothing follows.", "Remove the comma.", True),
  "missing-comma": ("No comma between two members.", "Add the comma.", True),
  "single-quotes": ("Strings in single quotes.", 'JSON has double quotes only: "text".', True),
  "curly-quotes": ("Strings in typographic quotes.", 'JSON has straight quotes only: "text".', True),
  "unescaped-quote": ("A double quote inside a string.", 'Write it as \\".', True),
  "line-break": ("A line break or tab inside a string.", "Write it as \\n or \\t.", True),
  "bad-escape": ("A backslash before a character that it does not go with.", "Write it as \\\\.", True),
  "unquoted-key": ("A key without quotes.", 'Write it in double quotes: "key".', True),
  "python-value": ("A value as Python writes it.", "JSON has true, false and null.", True),
  "nan": ("NaN or an infinity, which JSON does not have.", "Write null, or leave the field out.", True),
  "comment": ("A comment, which JSON does not have.", "Remove it.", True),
  "several-rows": ("Several objects in one line.", "Write each on a line of its own.", True),
  "spread": ("A row that goes over several lines.", "Write each row on one line.", True),
  "list": ("One JSON list rather than one object a line.", "Write each member on a line of its own.", True),
  "bare-messages": ("A list of messages without a name.", 'Write {{"messages": [...]}}.', True),
  "byte-order-mark": ("The file begins with a byte order mark.", "Save it as UTF-8 without one.", True),
  "utf-16": ("The file is UTF-16.", "Save it as UTF-8.", True),
  "not-utf-8": ("Byte {byte} is not UTF-8; it reads as Windows-1252.", "Save the file as UTF-8.", True),
  "too-long-line": (
    "This line has {size}; at most {limit} are read (run.max_line).",
    "Cut the row into several, or remove it.",
    False,
  ),
  "unreadable": (
    "The file cannot be read on from here: it is damaged or cut off.",
    "Fetch or compress it anew.",
    False,
  ),
}  # fmt: skip
