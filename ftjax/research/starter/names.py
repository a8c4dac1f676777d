"""Names, sums, hours and dates.

Names are put together from parts, so that there are far too many to learn by heart: the model
must learn to copy them from where they were said first.
"""

from ftjax.research.starter.writer import Writer

FIRST = (
  "Amber Autumn Blue Bold Bright Bronze Calm Cedar Clear Copper Coral Crimson Crystal Dawn Early "
  "East Ever Fair Far First Frost Gentle Glad Golden Grand Green Grey Happy Hazel High Hollow "
  "Indigo Iron Ivory Jade Kind Little Long Lucky Maple Merry Misty Noble North Oak Old Olive "
  "Orange Pale Pearl Plum Quiet Rapid Red Royal Ruby Rustic Sandy Scarlet Silent Silver Sky Slow "
  "Soft South Spring Steady Stone Summer Sunny Swift Tall Twin Velvet Violet Warm West White "
  "Wild Winter Wise Yellow Young"
).split()
SECOND = (
  "Acorn Anchor Apple Arrow Badger Barn Bay Beacon Bear Bell Birch Bird Boat Bridge Brook Canyon "
  "Castle Cloud Clover Cove Creek Crown Deer Dove Eagle Elm Falcon Feather Fern Field Finch Fir "
  "Forest Fox Garden Gate Grove Harbour Hare Harp Heron Hill Horizon Horse Island Ivy Kestrel "
  "Key Lake Lamp Lantern Lark Leaf Lily Lion Meadow Mill Moon Moose Mountain Orchard Otter Owl "
  "Path Pebble Pine Pony Pond Rabbit Raven Ridge River Robin Rocket Rose Sail Shell Shore Sparrow "
  "Star Stream Swan Thistle Tiger Tower Trail Tree Valley Wave Well Willow Wind Wolf Wren"
).split()
HEADS = (
  "Al Ash Bar Bel Bor Bra Cal Car Cor Dan Del Dor El Fal Fen Gal Gar Hal Har Hol Ing Jan Jor Kel "
  "Ken Kor Lan Lor Mal Mar Mel Mor Nel Nor Ol Or Pel Por Ran Ros Sal Sel Sor Tal Tar Tor Val Ver "
  "Wal Wen Win Yar Zan"
).split()
TAILS = (
  "bec bury by dale dara den dora fast field ford gate ham ina ista ium lan land ley lin low mar "
  "mere mont moor na nova port ric rona set stead stow tan ton vale ver vik wick win wood worth"
).split()
PEOPLE = (
  "Ada Adam Alice Amir Anna Ben Carla Chloe Clara Daniel David Elena Ella Emma Erik Eva Felix "
  "Frank George Grace Hanna Hugo Ida Ivan Jack Jonas Julia Karim Kate Laura Leo Lily Lucas Maria "
  "Mark Martin Maya Mina Nadia Nora Oliver Omar Oscar Paul Peter Rosa Ruth Sam Sara Simon Sofia "
  "Theo Tom Vera Yusuf Zoe"
).split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
  "January February March April May June July August September October November December"
).split()
NUMBERS = (
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
).split()


def made_up(w: Writer) -> str:
  """A name that is no word: Falmere, Kordora, Ingwick."""
  return w.pick(HEADS) + w.pick(TAILS)


def label(w: Writer) -> str:
  """The name of a product or of a team."""
  if w.chance(0.25):
    return made_up(w)
  return f"{w.pick(FIRST)} {w.pick(SECOND)}"


def company(w: Writer) -> str:
  return w.write(
    f"[{w.pick(SECOND)} & {w.pick(SECOND)}|{made_up(w)}|{made_up(w)} & Sons|{made_up(w)} Works|"
    f"{w.pick(FIRST)} {w.pick(SECOND)} Company|House of {made_up(w)}|Studio {made_up(w)}]",
    {},
  )


def person(w: Writer) -> str:
  return f"{w.pick(PEOPLE)} {made_up(w)}"


def street(w: Writer) -> str:
  kind = w.pick(("Street", "Road", "Lane", "Square", "Avenue", "Row", "Hill", "Gardens"))
  return f"{w.pick((made_up(w), w.pick(SECOND), w.pick(FIRST)))} {kind}"


def area(w: Writer) -> str:
  return w.fill(
    f"[the {w.pick(SECOND)} Quarter|the {w.pick(FIRST)} Quarter|{made_up(w)}|{made_up(w)}|"
    f"{w.pick(('Upper', 'Lower', 'New', 'Old', 'North', 'South'))} {made_up(w)}|"
    "the old town|the city centre|the river district|the harbour district|the station district]",
    {},
  )


def amount(w: Writer, low: int, high: int) -> str:
  """A price: mostly round, sometimes with cents."""
  whole = w.number(low, high)
  cents = w.pick(("", "", "", ".50", ".90", ".95", ".25"))
  return f"{w.pick('$$€£')}{whole}{cents}"


def clock(w: Writer, low: int, high: int) -> str:
  """A time between two full hours of the day: "9 am", "6:30 pm", "noon"."""
  hour, minutes = w.number(low, high), w.pick(("", "", "", ":30", ":15", ":45"))
  if hour == 12:
    return f"12{minutes} pm" if minutes else "noon"
  return f"{hour % 12}{minutes} {'am' if hour < 12 else 'pm'}"


def date(w: Writer) -> str:
  return w.write(
    f"{w.pick(DAYS)}, [{w.number(1, 28)} {w.pick(MONTHS)}|{w.pick(MONTHS)} {w.number(1, 28)}]", {}
  )


def count(w: Writer, low: int, high: int) -> str:
  """A small number in words, a larger one in digits."""
  number = w.number(low, high)
  return NUMBERS[number] if number <= 12 else str(number)
