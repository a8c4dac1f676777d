"""Credentials by their issuers' forms; what only looks like one stays. The tokens here are made up
(put together at run time, lest scanners of this repository take them for real)."""

import random
import string

import pytest

from ftjax.config import InputError
from ftjax.data.clean import secrets
from ftjax.data.clean.secret_rules import entropy
from ftjax.data.clean.secrets import find
from ftjax.data.example import Drop
from tests.data.clean.rows import chat, document, run

LETTERS = string.ascii_letters + string.digits


def draw(n, alphabet=LETTERS, seed=0):
  return "".join(random.Random(f"{n}{alphabet}{seed}").choices(alphabet, k=n))


HEX = "0123456789abcdef"
TOKENS = {
  "aws_access_key": "AKIA" + draw(16, string.ascii_uppercase + "234567"),
  "google_key": "AIza" + draw(35),
  "github_token": "ghp_" + draw(36),
  "gitlab_token": "glpat-" + draw(20),
  "slack_token": "xoxb-" + draw(12, string.digits) + "-" + draw(24),
  "stripe_key": "sk_" + "live_" + draw(24),
  "anthropic_key": "sk-ant-api03-" + draw(93),
  "openai_key": "sk-" + draw(20) + "T3BlbkFJ" + draw(20),
  "huggingface_token": "hf_" + draw(34),
  "npm_token": "npm_" + draw(36),
  "pypi_token": "pypi-AgEIcHlwaS5vcmc" + draw(80),
  "twilio_key": "SK" + draw(32, HEX),
  "sendgrid_key": "SG." + draw(22) + "." + draw(43),
  "mailgun_key": "key-" + draw(32, HEX),
  "telegram_token": draw(9, string.digits) + ":AA" + draw(33),
  "shopify_token": "shpat_" + draw(32, HEX),
  "digitalocean_token": "dop_v1_" + draw(64, HEX),
  "databricks_token": "dapi" + draw(32, HEX),
  "jwt": "eyJ" + draw(20) + ".eyJ" + draw(40) + "." + draw(43),
}
MORE = [
  ("github_token", "github_pat_" + draw(22) + "_" + draw(59)),
  ("openai_key", "sk-proj-" + draw(74)),
  ("slack_token", "https://hooks.slack.com/services/T" + draw(8) + "/B" + draw(8) + "/" + draw(24)),
  ("google_key", "GOCSPX-" + draw(28)),
  ("azure_key", draw(3) + "8Q~" + draw(34)),
]


@pytest.mark.parametrize("kind, token", [*TOKENS.items(), *MORE])
def test_tokens(kind, token):
  for text in (token, f"Use {token}.", f'key: "{token}"', f"({token}),"):
    assert [(s.kind, text[s.start : s.end]) for s in find(text)] == [(kind, token)]
  for wrong in (f"x{token}", token[:14]):
    assert not [s for s in find(wrong) if s.kind == kind]


def test_azure_storage_key():
  text = "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=" + draw(86) + "==;"
  spans = find(text)
  assert [s.kind for s in spans] == ["azure_key"]
  assert text[spans[0].end :] == ";"


@pytest.mark.parametrize("label", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_private_keys(label):
  body = "\n".join(draw(64, seed=i) for i in range(12))
  pem = f"-----BEGIN {label}PRIVATE KEY-----\n{body}\n-----END {label}PRIVATE KEY-----"
  result, counts = run(secrets.make("mask"), document(f"Key:\n{pem}\nDone."))
  assert result.text == "Key:\n[PRIVATE_KEY]\nDone." and counts == {"private_key": 1}
  cut = run(secrets.make("mask"), document(f"{pem[:400]}"))[0].text
  assert cut == "[PRIVATE_KEY]"
  assert not find("-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END PUBLIC KEY-----")


@pytest.mark.parametrize(
  "text, kinds",
  [
    ("postgres://admin:s3cr3tPa55@db.example.com:5432/app", ["password"]),
    ("mongodb+srv://u:hunter@cluster0.mongodb.net", ["password"]),
    ("https://user:password@example.com and https://{user}:{pw}@host", []),
    ("http://localhost:8080/@scope/pkg", []),
    ("password = hunter2", ["password"]),
    ('"password": "correct-horse"', ["password"]),
    ("PASSWORD='Tr0ub4dor&3'", ["password"]),
    ("DB_PASSWORD=x9Kq2mZ7", ["password"]),
    ("The password is swordfish7.", ["password"]),
    ("Password: must be at least 8 characters", []),
    ("password: required, string", []),
    ('password = "password"', []),
    ("password = os.environ['DB_PASSWORD']", []),
    ("password=${PASSWORD}", []),
    ("self.password = get_password2(user)", []),
    ('password = "<your password>"', []),
    ("api_key = " + draw(32), ["secret_key"]),
    ('"client_secret": "' + draw(40) + '"', ["secret_key"]),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzKq8JLmN9", ["secret_key"]),
    ("Authorization: Bearer " + draw(40), ["secret_key"]),
    ("api_key = config.get('service')['api_key']", []),
    ("token = tokenizer.encode_plus_special_tokens_mask2", []),
    ("secret: the lighthouse-keeper-had-been-dead-for-twenty-years", []),
    ("The key is perseverance, the token a gesture.", []),
    ("token: 0123456789", []),
    ("api_key = aB3dE6gH9jK2", []),
    ("self.embed_tokens = Gemma4UnifiedTextScaledWordEmbedding(config)", []),
    ('"pwd": "core.magics.osm:OSMagics2"', []),
    ("key: /usr/share/keys/release-2021/archive.gpg", []),
  ],
)
def test_assignments(text, kinds):
  assert [s.kind for s in find(text)] == kinds


@pytest.mark.parametrize(
  "text",
  [
    "sk-learn, sk-" + "x" * 48,
    "ghp_" + "x" * 36,
    "hf_hub_download_from_the_repository_of_models",
    "AKIA is a prefix; eyJ too. SG. The end.",
    "commit 4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a",
    "sha256:" + draw(64, HEX),
    "123e4567-e89b-12d3-a456-426614174000",
    "https://example.com/a?token=abc&b=1",
  ],
)
def test_no_secrets(text):
  assert not find(text)


def test_actions():
  row = chat("My token?", "It is " + TOKENS["github_token"])
  kept, counts = run(secrets.make("keep"), row)
  assert kept is row and counts == {"github_token": 1}
  masked, _ = run(secrets.make("mask"), row)
  assert masked.response == "It is [GITHUB_TOKEN]"
  assert run(secrets.make("mask"), masked) == (masked, {})
  assert run(secrets.make("drop"), row)[0] == Drop("github_token", "1 found")
  with pytest.raises(InputError, match="secrets='hash'"):
    secrets.make("hash")


def test_entropy():
  assert entropy("") == 0 and entropy("aaaa") == 0
  assert entropy("abcd") == pytest.approx(2)


def test_demo_files_hold_none(c4, alpaca, e2e):
  for row in (*c4, *alpaca, *e2e):
    assert not run(secrets.make("keep"), row)[1]
