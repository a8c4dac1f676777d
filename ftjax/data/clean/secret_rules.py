"""What credentials look like: facts from their issuers' documentation and, where that is silent, from
the public rules of secret scanners (gitleaks, GitHub secret scanning's list of supported patterns)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


def entropy(text: str) -> float:
  """Shannon entropy of a text's characters, in bits per character."""
  counts = Counter(text).values()
  return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) if text else 0.0


def _random(text: str) -> bool:
  """Whether the body of a token looks drawn by chance: placeholders ("xxxx", "your_token_here")
  do not."""
  return entropy(text) >= 3.0


@dataclass(frozen=True)
class Rule:
  """kind: its name in the report and the placeholder. marks: a text with none of these (case
  counts) cannot match. The group "value", where there is one, is what is hidden; it must pass
  `check`."""

  kind: str
  marks: tuple[str, ...]
  pattern: re.Pattern
  check: Callable[[str], bool] = _random


def _rule(kind: str, marks: str, pattern: str, check: Callable[[str], bool] = _random) -> Rule:
  return Rule(kind, tuple(marks.split()), re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])"), check)


def _always(_: str) -> bool:
  return True


RULES = (
  # AWS IAM user guide, "Understanding unique ID prefixes": AKIA long-term, ASIA temporary, base 32.
  _rule("aws_access_key", "AKIA ASIA", r"(?:AKIA|ASIA)[A-Z2-7]{16}", _always),
  # Google Cloud: API keys are 39 characters; OAuth client secrets and access tokens by prefix.
  _rule("google_key", "AIza GOCSPX- ya29.", r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{30,1000}"),
  # Azure storage connection strings hold 64 bytes in base 64; Entra client secrets have "Q~" in them.
  _rule("azure_key", "AccountKey= SharedAccessKey=",
        r"(?:AccountKey|SharedAccessKey)=(?P<value>[A-Za-z0-9+/]{42,88}={0,2})(?![A-Za-z0-9+/=])"),
  _rule("azure_key", "Q~", r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),
  # GitHub docs, "About authentication to GitHub: token formats"; fine-grained tokens are 93 long.
  _rule("github_token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
  # GitLab docs, "Token overview: token prefixes".
  _rule("gitlab_token", "glpat- gldt- glrt- glptt- glft- glsoat- glcbt- gloas- glagent-",
        r"gl(?:pat|dt|rt|ptt|ft|soat|cbt|oas|agent)-[\w.-]{19,300}[\w-]"),
  # Slack API docs, "Token types", and incoming webhooks.
  _rule("slack_token", "xox xapp-", r"xox[abeoprs](?:\.xox[bp])?-[\w-]{10,250}|xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]{32,128}"),
  _rule("slack_token", "hooks.slack.com/",
        r"https://hooks\.slack\.com/(?:services|workflows)/[\w/+-]{24,120}"),
  # Stripe docs, "API keys": secret and restricted keys; publishable ones (pk_) are no secret.
  _rule("stripe_key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_",
        r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,247}|whsec_[A-Za-z0-9+/]{32,64}"),
  # Anthropic and OpenAI: by prefix; OpenAI's older keys hold "T3BlbkFJ", "OpenAI" in base 64.
  _rule("anthropic_key", "sk-ant-", r"sk-ant-[a-z0-9]{3,12}-[\w-]{32,200}"),
  _rule("openai_key", "sk-", r"sk-(?:proj|svcacct|admin|None)-[\w-]{40,200}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|sk-[A-Za-z0-9]{48}"),
  _rule("huggingface_token", "hf_ api_org_", r"(?:hf_|api_org_)[A-Za-z0-9]{30,40}"),
  _rule("npm_token", "npm_", r"npm_[A-Za-z0-9]{36}"),
  # PyPI docs: a macaroon whose first caveat names pypi.org.
  _rule("pypi_token", "pypi-AgE", r"pypi-AgE[\w-]{50,1000}"),
  _rule("twilio_key", "SK", r"SK[0-9a-f]{32}"),
  _rule("sendgrid_key", "SG.", r"SG\.[\w-]{20,24}\.[\w-]{39,50}"),
  _rule("mailgun_key", "key-", r"key-[0-9a-f]{32}"),
  _rule("telegram_token", ":AA", r"[0-9]{8,10}:AA[\w-]{33}"),
  _rule("shopify_token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
  _rule("digitalocean_token", "_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
  _rule("databricks_token", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
  # RFC 7519: two JSON objects and a signature, each in base64url; '{"' begins as "eyJ".
  _rule("jwt", "eyJ", r"eyJ[\w-]{10,4000}\.eyJ[\w-]{10,8000}\.[\w-]{20,2000}"),
)  # fmt: skip

# Words in values that stand for a secret and are none.
_DUMMY = re.compile(
  r"x{4,}|\*{3,}|\.{3}|your|my[_-]?|example|placeholder|change_?me|redacted|hidden|dummy|sample|insert|<|>|\$|\{|\}|\[|\]"
  r"|none|null|true|false|undefined|password|passwd|secret|token|abc123\Z",
  re.I,
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_]*(?:[.(\[]|->|::|\Z)")
_PATH = re.compile(r"(?:[A-Za-z_]\w*[.:/]+)+[A-Za-z_]\w*")
_KEYWORD = r"passw(?:or)?d|passphrase|passwort|kennwort|contraseña|mot de passe|pwd"
_KEY = (
  r"secret(?:[_-]?(?:access[_-]?)?key)?|api[_ -]?(?:secret|key|token)|access[_ -]?(?:key|token)|auth[_ -]?token"
  r"|account[_-]?key|private[_-]?key|encryption[_-]?key|signing[_-]?key|bearer|(?:refresh|bot|session|deploy)[_-]?token|token"
)
_SET = r"[\"'`]?[ \t]{0,3}(?:=>|:=|==?|:|\bis\b)[ \t]{0,3}(?:[\"'`](?P<quoted>[^\"'`\n]{6,400})[\"'`]|(?P<bare>[^\s\"'`,;<>()]{6,400}+)(?!\())"
PASSWORD = re.compile(rf"(?:{_KEYWORD})[\w-]{{0,16}}{_SET}", re.I)
KEY = re.compile(
  rf"(?:{_KEY})[\w-]{{0,16}}(?:{_SET}|[ \t](?P<after>[A-Za-z0-9._~+/=-]{{20,400}}))", re.I
)
# RFC 3986, section 3.2.1: "user:password" before the host.
URL = re.compile(
  r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,100}:(?P<value>[^\s/@\"'<>]{1,200})@[\w.-]"
)
# A text with none of these sets neither (lower case).
NAMES = (
  "passw",
  "passphrase",
  "kennwort",
  "contraseña",
  "mot de passe",
  "pwd",
  "secret",
  "token",
  "key",
  "bearer",
)


def is_password(value: str, quoted: bool) -> bool:
  """Whether what is set to a name like "password" is one: prose ("must", "required"), names of
  variables and stand-ins are not. Without quotes it must hold a digit."""
  value = value.rstrip(".")
  if _DUMMY.search(value) or " " in value or len(value) < 6:
    return False
  if _PATH.fullmatch(value):
    return False
  digit = any(map(str.isdigit, value))
  if not quoted:
    return digit and not _IDENTIFIER.match(value)
  return digit or not value.isalpha()


def is_key(value: str) -> bool:
  """Whether what is set to a name like "token" was drawn by chance: long, letters and digits
  mixed, 3.5 bits a character (hexadecimal: 3)."""
  if len(value) < 16 or _DUMMY.search(value) or " " in value or _IDENTIFIER.match(value):
    return False
  if not (any(map(str.isdigit, value)) and any(map(str.isalpha, value))):
    return False
  if "/" in value and (value.count("/") > 3 or "." in value):  # A path, or a URL.
    return False
  return entropy(value) >= (3.0 if re.fullmatch(r"[0-9a-fA-F-]+", value) else 3.5)
