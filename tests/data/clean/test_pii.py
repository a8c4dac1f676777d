"""Personal data: published test numbers are found, dates, prices and order numbers are not."""

import hashlib
import hmac
import pickle
import sys
import types
from types import SimpleNamespace

import pytest

from ftjax.config import InputError
from ftjax.data.clean import pii
from ftjax.data.clean.pii import find, names
from ftjax.data.clean.pii.bank import iban_check, luhn
from ftjax.data.clean.span import Span, resolve, substitute
from ftjax.data.example import Drop
from tests.data.clean.rows import chat, document, run

FOUND = {
  "email": [
    "jane.doe@example.org", "o'brien+news@mail.example.co.uk", "jörg@müller.de", "user7 (at) example (dot) com",
    "jane [at] example.org",
  ],
  "phone": [
    "+44 20 7946 0018", "+1 (212) 555-0187", "(415) 555-2671", "415-555-2671", "415.555.2671", "1-800-356-9377",
    "+49 30 901820", "030 901820", "0171 3920000", "0151-23456789", "01 42 68 53 00", "+33 1 42 68 53 00", "06.12.34.56.78", "020 7946 0018",
    "07400 123456", "+91 98765 43210", "098765 43210", "+81 3-3201-3331", "+55 11 91234-5678", "(11) 91234-5678",
    "914 11 57 00", "+39 06 6982", "06 69881234", "0049 30 901820", "+86 138 0013 8000", "call 4155552671", "phone: 2025550143",
    "Tel. 030/901820", "(02) 9374 4000", "+49 (0)30 901820", "+44 (0) 20 7946 0018",
  ],
  # The test numbers that payment processors publish.
  "card": [
    "4111 1111 1111 1111", "4111111111111111", "5555-5555-5555-4444", "378282246310005", "3782 822463 10005",
    "6011111111111117", "3530111333300000", "30569309025904", "2223003122003222", "5105105105105100",
  ],
  # The examples of SWIFT's IBAN registry.
  "iban": [
    "GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "FR14 2004 1010 0505 0001 3M02 606",
    "NL91ABNA0417164300", "MT84MALT011000012345MTLCAST001S", "NO9386011117947", "ES91 2100 0418 4502 0005 1332",
    "CH93 0076 2011 6238 5295 7",
  ],
  # RFC 5737 and 3849: addresses for documentation.
  "ip": ["192.0.2.1", "198.51.100.23", "203.0.113.7", "2001:db8::1", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "8.8.8.8"],
  # Samples from the issuers' and python-stdnum's documentation, and the US one that was printed on cards.
  "national_id": [
    "SSN 078-05-1120", "078-05-1120", "social security number 219099999", "AB123456C", "AB 12 34 56 C", "Steuer-ID 65929970489",
    "65 929 970 489", "2 95 10 99 126 111 93", "12345678Z", "X1234567L", "RSSMRA85T10A562S", "BSN 111222333",
    "PESEL 44051401359", "390.533.447-05", "CPF 39053344705", "Aadhaar 2341 2341 2346", "811228-9874", "11010519491231002X",
    "131052-308T", "85.07.30-033.28", "756.9217.0769.85", "PAN ABCPE1234F", "NHS number 943 476 5919",
  ],
}  # fmt: skip
NAMED = ("call ", "phone: ", "Tel. ", "SSN ", "social security number ", "Steuer-ID ", "BSN ", "PESEL ", "CPF ", "Aadhaar ",
         "PAN ", "NHS number ")  # fmt: skip


def bare(value):
  return next((value.removeprefix(n) for n in NAMED if value.startswith(n)), value)


@pytest.mark.parametrize("kind, value", [(k, v) for k, values in FOUND.items() for v in values])
def test_found(kind, value):
  for text in (value, f"Please note {value}, thanks.", f"({value})", f"a\n{value}\nb", f"{value}."):
    spans = find(text)
    assert [s.kind for s in spans] == [kind], text
    hidden = text[spans[0].start : spans[0].end]
    assert bare(value).strip("()") in hidden or hidden in value


@pytest.mark.parametrize(
  "text",
  [
    "on 2019-03-14 and 14/03/2019 or 03.14.2019 or 20190314, 5/10/2020 12:34:56",
    "call on 01.02.2003, phone: 03/04/2020, text on 2020-10-10, call 2010-2014, tel 2019 2020, 06-12-2019",
    "from 1999-2004, 1914–1918, 2010/2011, years 2001 2002 2003 2004, 2019 2020 2021",
    "it costs $1,234.56 or 1.234,56 € or 12 000 000 USD or $100-200-300",
    "ISBN 978-3-16-148410-0, ISBN-10: 0-306-40615-2, ISBN 0306406152, ISSN 2049-3630",
    "978-0-13-468599-1 is the book",
    "order number 123-4567890-1234567; Order #4155552671 shipped; order 415-555-2671",
    "version 1.2.3.4 is out, v10.0.19041.1, Chrome/88.0.4324.150, release 4.1.2.5, section 3.2.1.4",
    "at 12:30:45 and 10:15, 9:00-17:30 Mon-Fri",
    "the population is 1 234 567 890, or 1,234,567,890 people; 100,000,000 and 1,000,000,000",
    "pi is 3.14159265358979323846 and 0.123456789",
    "std::vector<int> and a::b::c, ::before, 00:1A:2B:3C:4D:5E",
    "127.0.0.1 and 0.0.0.0 and 255.255.255.0 and ::1",
    "timestamps 1609459200 and 1609459200000, arXiv:2101.00027 and doi 10.1000/182",
    "coordinates 40.7128, -74.0060 and 51.507351 -0.127758",
    "score 21-19, 21-17, 18-21; lottery: 4 8 15 16 23 42 12; 10 20 30 40 50 60 70; 1-2-3-4-5-6-7-8",
    "phone number format (xxx) xxx-xxxx",
    "EAN 4006381333931, barcode 4006381333931 and 5901234123457, serial number 123456789012",
    "UPS tracking 1Z999AA10123456784, part no. 123-45-6789, model 815-4022-01",
    "123456789, 1234567890, 12345678901, 1234 5678 9012 3456, 0x7fffffff",
    "commit 4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a, uuid 123e4567-e89b-12d3-a456-426614174000",
    "git@github.com:org/repo.git, logo@2x.png, @handle, a @ b, npm i react@18.2.0",
    "pages 100-200, 345-360, 1200-1300; p. 1234-5678; ZIP 94105-1234; RFC 2616, ISO 8601:2004",
    "2x4=8 3x4=12 4x4=16 10 x 10 = 100; x = 1 2 3 4 5 6 7 8 9; (1) 2345678 (2) 3456789",
    "GB82 WEST 1234 5698 7654 33, 4111 1111 1111 1112, 390.533.447-06, 811228-9873",
    "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000",
    "Vol 70, 234 (2001), '02.500000 sec' at 180/3.14159; assemblyIdentity version=\"1.0.0.0\"",
    "ssh://687fb701@ssh.example.org",
    "300.1.1.1, 1.2.3, 1.2.3.4.5, 12:34::zz",
  ],
)  # fmt: skip
def test_not_found(text):
  assert [(s.kind, text[s.start : s.end]) for s in find(text)] == []


@pytest.mark.parametrize(
  "text", ["room 12 415-555-2671", "at 10:30 415-555-2671", "tel:415-555-2671"]
)
def test_phones_after_other_numbers(text):
  assert [text[s.start : s.end] for s in find(text)] == ["415-555-2671"]


def test_a_phone_before_another_number():
  text = "ring +61 412 345 678 10 times"
  assert [text[s.start : s.end] for s in find(text)] == ["+61 412 345 678"]


def test_checks():
  assert luhn("79927398713") and not luhn("79927398710")  # ISO/IEC 7812-1's well-known example.
  assert iban_check("GB82WEST12345698765432") and not iban_check("GB82WEST1234569876543")


def test_private_addresses_are_a_choice():
  text = "10.0.0.1, 192.168.1.1, 192.0.2.1, fd00::1:2, 8.8.8.8"
  assert len(find(text)) == 5
  assert [text[s.start : s.end] for s in find(text, private_ips=False)] == ["8.8.8.8"]


def test_regions(config):
  assert not find("ring us: 044 668 18 00".replace("ring us: ", ""))
  config.pii.regions = "ch, at"
  step = pii.make(config.pii)
  assert run(step, document("044 668 18 00"))[0].text == "[PHONE]"
  config.pii.regions = "Germany"
  with pytest.raises(InputError, match="pii.regions: 'GERMANY' has no numbering plan"):
    pii.make(config.pii)


ROW = chat("Who are you?", "jane.doe@example.org, +44 20 7946 0018, DE89370400440532013000")


def test_mask_and_counts(config):
  step = pickle.loads(pickle.dumps(pii.make(config.pii)))
  masked, counts = run(step, ROW)
  assert masked.response == "[EMAIL], [PHONE], [IBAN]"
  assert counts == {"email": 1, "phone": 1, "iban": 1}
  assert run(step, masked) == (masked, {})


def test_keep_and_drop(config):
  for kind in pii.KINDS:
    config.pii[kind] = "keep"
  kept, counts = run(pii.make(config.pii), ROW)
  assert kept is ROW and counts.total() == 3
  config.pii.iban = "drop"
  drop, counts = run(pii.make(config.pii), ROW)
  assert drop == Drop("iban", "1 found") and counts["email"] == 1


def test_hash(config, monkeypatch):
  config.pii.email = config.pii.phone = "hash"
  with pytest.raises(InputError, match="pii.key is empty"):
    pii.make(config.pii)
  config.pii.key = "env:FTJAX_TEST_KEY"
  with pytest.raises(InputError, match="environment variable 'FTJAX_TEST_KEY' is not set"):
    pii.make(config.pii)
  monkeypatch.setenv("FTJAX_TEST_KEY", "long and random")
  step = pii.make(config.pii)
  digest = hmac.new(b"long and random", b"email:jane.doe@example.org", hashlib.sha256).hexdigest()
  masked, _ = run(step, ROW)
  assert masked.response.startswith(f"[EMAIL:{digest[:6]}], [PHONE:")
  upper, _ = run(step, document("JANE.DOE@example.org, 020 7946 0018"))
  assert upper.text == masked.response.removesuffix(", [IBAN]")  # However it is written.
  assert run(step, masked)[0] is masked


def test_unknown_action(config):
  config.pii.phone = "erase"
  with pytest.raises(InputError, match="pii.phone='erase'.*keep, mask, hash, drop"):
    pii.make(config.pii)


def test_names_need_presidio(config, monkeypatch):
  config.pii.name = "mask"
  monkeypatch.setattr(names.importlib.util, "find_spec", lambda _: None)
  with pytest.raises(InputError, match="presidio-analyzer.*pip install"):
    pii.make(config.pii)


def test_names_by_presidio(config, monkeypatch):
  fake = types.ModuleType("presidio_analyzer")

  class AnalyzerEngine:
    def analyze(self, text, language, entities, score_threshold):
      assert (language, entities) == ("en", ["PERSON"])
      at = text.find("Ada Lovelace")
      return [SimpleNamespace(start=at, end=at + 12)] if at >= 0 else []

  fake.AnalyzerEngine = AnalyzerEngine
  monkeypatch.setitem(sys.modules, "presidio_analyzer", fake)
  monkeypatch.setattr(names.importlib.util, "find_spec", lambda _: object())
  names._analyzer.cache_clear()
  config.pii.name = "mask"
  result, counts = run(pii.make(config.pii), document("Ada Lovelace, ada@example.org"))
  names._analyzer.cache_clear()
  assert result.text == "[NAME], [EMAIL]" and counts == {"name": 1, "email": 1}


def test_resolve():
  long, short, sure = Span(0, 10, "a"), Span(2, 5, "b"), Span(8, 12, "c", rank=1)
  assert resolve([short, long]) == [long]
  assert resolve([long, sure, short]) == [short, sure]
  assert substitute("0123456789ab", [short, sure], lambda s: s.kind.upper()) == "01B567C"


def test_the_title_is_masked_too(config):
  row = document("A text.").__class__(text="A text.", title="Mail jane.doe@example.org")
  assert run(pii.make(config.pii), row)[0].title == "Mail [EMAIL]"
