"""The commonest words of some languages: running text has several of them, lists have none."""

from __future__ import annotations

from collections.abc import Sequence

from ftjax.data.clean.language import identify

# The English ones are Gopher's (Rae et al. 2021, table A1); the others are chosen alike: articles,
# conjunctions, prepositions and forms of "to be" and "to have".
_BY_LANGUAGE = {
  "en": "the be to of and that have with is in a for it was on as are you",
  "de": "der die das und ist in zu den mit von nicht ein eine auf für sich dem des",
  "fr": "le la les de des et un une est que dans en pour qui sur avec du ne",
  "es": "el la los las de y que en un una es por con para del se no su",
  "it": "il la di e che un una per è in con non del della i le sono si",
  "pt": "o a os as de e que em um uma é para com não do da por se",
  "nl": "de het een en van is in dat op te niet met zijn voor aan er die ook",
  "sv": "och att det i en som är på av för med den till inte ett om har de",
  "da": "og at det i en er på af til for med den ikke de et som der har",
  "nb": "og å det i en er på av til for med den ikke de et som har at",
  "fi": "ja on ei että se oli hän mutta ovat kun niin myös tai jos sen joka ole kuin",
  "pl": "i w na z do się nie że to jest o a jak po co dla od przez",
  "cs": "a v na se je že to s z do o i ve by pro ale jako k",
  "ro": "și de în a la cu pe că nu este o un din care pentru mai să sau",
  "hu": "a az és hogy nem is egy van ez meg de csak már vagy volt mint azt el",
  "tr": "ve bir bu da de için ile çok daha ne olarak ama gibi kadar var o en olan",
  "id": "yang dan di ini itu dengan untuk dari ke pada tidak dalam akan adalah juga atau ada oleh",
  "vi": "và của là có không được trong cho một những các với người này đã để khi đến",
  "ru": "и в не на что с он как это по но из у за от так для к",
  "uk": "і в не на що з як це та до у але за від для про або його",
  "bg": "и в на да не за от се с че е по са като това но или до",
  "el": "και το να η ο της του με για από στο είναι τα που την δεν οι των",
  "ar": "في من على أن إلى عن مع هذا هذه التي الذي ما لا كان كل بعد أو قد",
  "he": "את של על לא הוא זה כל עם היא גם כי או יש אני אם מה אבל היה",
  "fa": "و در به از که این را با است برای آن یک تا هم می بر شد بود",
  "hi": "के में की है और से का को पर यह ने कि हैं भी एक नहीं लिए हो",
}
_WORDS = {code: frozenset(words.split()) for code, words in _BY_LANGUAGE.items()}
_SURE = 0.8  # Probability from which on a text is held to be in a language not listed here.
_NORWEGIAN = {"no": "nb", "nn": "nb"}


def stop_words(text: str, words: Sequence[str], enough: int) -> int:
  """How many different stop words of one language are among the words, the best language counting;
  `enough` where the text's language is not among those known here."""
  best = len(_WORDS["en"].intersection(words))
  if best < enough:
    present = {w.lower().strip(".,;:!?\"'()") for w in words}
    best = max(len(known & present) for known in _WORDS.values())
  if best < enough:
    code, probability = identify(text)
    known = probability < _SURE or _NORWEGIAN.get(code, code) in _WORDS
    return best if known else enough
  return best
