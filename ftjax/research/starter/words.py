"""Names, prices, features and other values, put together from parts.

There are far too many of each to learn by heart: a model that is to say one again must learn to
copy it from where it was said first.
"""

from ftjax.research.starter.writer import Writer, articles, plural

ONSETS = (
  "b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p pl pr qu r s sc sh sk sl sn sp st str "
  "sw t th tr tw v w wh y z"
).split()
VOWELS = "a a a e e e i i i o o o u u ai au ea ee ia io oa oo ou".split()
CODAS = "b ck d f g l ll m mp n nd ng nk nt p r rd rk rm rn rt s sh sk st t th v x z".split()
ENDINGS = (
  "a ade al am ane ar ard aro ay bury by dale el ella en er era ern et ette eva ey field ford ham ia "
  "ica ie in ina ing io is ish ita ius ix le ley line lo low ly mere mo ner nia o ock on ona or ora "
  "ot ow rick sen ska son stead ster ton um us va ver vik way wick worth y"
).split()
FIRST = (
  "Amber Ample Autumn Bent Blue Bold Brave Bright Brisk Bronze Calm Cedar Clear Clever Cold Copper "
  "Coral Crimson Crystal Dawn Deep Double Dusty Early East Eager Ever Fair Far Fast First Fresh Frost "
  "Gentle Glad Golden Grand Green Grey Happy Hazel Hidden High Hollow Honest Indigo Iron Ivory Jade "
  "Jolly Keen Kind Last Little Long Loud Lucky Maple Mellow Merry Mild Misty Modern Narrow New Night "
  "Noble North Nutmeg Oak Odd Old Olive Open Orange Pale Paper Pearl Plain Plum Polar Prime Proud "
  "Quick Quiet Rapid Rare Red Round Royal Ruby Rustic Salt Sandy Scarlet Secret Sharp Silent Silver "
  "Simple Sky Slow Small Smooth Snow Soft Solar South Spring Steady Steel Stone Strong Summer Sunny "
  "Sweet Swift Tall Tender Tidy Tiny True Twin Velvet Violet Warm West White Wide Wild Winter Wise "
  "Wooden Yellow Young"
).split()
SECOND = (
  "Acorn Anchor Apple Arch Arrow Badger Baker Barn Barrel Basin Bay Beacon Bear Bell Berry Birch Bird "
  "Boat Bottle Branch Bridge Brook Brush Button Cabin Candle Canyon Captain Castle Chef Cliff Cloud "
  "Clover Coast Comet Corner Cove Creek Cricket Crown Daisy Deer Dove Dragon Drum Eagle Echo Elm Ember "
  "Falcon Farmer Feather Fern Field Finch Fir Flame Flute Forest Fox Friend Garden Gate Giant Goose "
  "Grove Guard Hammer Harbour Hare Harp Heart Hedge Heron Hill Honey Horizon Horse House Hunter Island "
  "Ivy Jewel Kestrel Key King Kitten Knight Ladder Lake Lamp Lantern Lark Leaf Lemon Lily Lion Maker "
  "Market Meadow Mill Mirror Moon Moose Morning Mountain Needle Nest Oar Ocean Orchard Otter Owl Paddle "
  "Panda Path Pebble Pepper Pilot Pine Planet Pony Pond Poppy Prince Puffin Queen Rabbit Raven Reed "
  "Ribbon Ridge River Robin Rocket Root Rose Sail Sailor Saddle Seal Shadow Shell Shepherd Shore Snail "
  "Spark Sparrow Spoon Star Stream Swan Table Thistle Thunder Tiger Tower Trail Tree Valley Voyage "
  "Walnut Wave Weaver Well Whale Wheel Willow Wind Window Wolf Wren"
).split()
PEOPLE = (
  "Ada Adam Alice Amir Anna Ben Carla Chloe Clara Daniel David Elena Ella Emma Erik Eva Felix "
  "Frank George Grace Hanna Hugo Ida Ivan Jack Jonas Julia Karim Kate Laura Leo Lily Lucas Maria "
  "Mark Martin Maya Mina Nadia Nora Oliver Omar Oscar Paul Peter Rosa Ruth Sam Sara Simon Sofia "
  "Theo Tom Vera Yusuf Zoe"
).split()
ADJECTIVES = (
  "adjustable angled bright broad carved checked clear coarse cold compact cool curved dark deep "
  "detachable double dry dull elastic even extra fine firm flat flexible folded gentle glossy hard heavy "
  "hidden hollow inner large leak-proof light little long loose loud low matching mild movable narrow "
  "neat non-slip oval padded plain polished printed quick-release quiet raised reinforced removable "
  "ribbed rigid rough round rounded sealed sharp short silent simple sliding sloping slim small smooth "
  "soft solid spare sprung square steady stiff striped strong sturdy tall textured thick thin tight tiny "
  "tough upper vented warm washable waterproof wavy wide woven"
).split()
MATERIALS = (
  "aluminium bamboo beech brass bronze canvas ceramic cherry clay copper cord cork cotton denim enamel "
  "felt flannel fleece foam glass hemp iron jute lace leather linen maple mesh nickel nylon oak paper "
  "pewter pine plastic porcelain rope rubber satin silicone silk silver slate steel stone straw suede tin "
  "tweed velvet walnut wax wicker willow wire wood wool zinc"
).split()
PARTS = (
  "arm back badge band bar base basket belt blade board border bottom bracket brim buckle button cap "
  "case chain clamp clasp clip collar cord core corner cover cuff cushion dial door drawer edge end "
  "eyelet face filter finish flap foot frame front grip groove guard handle hem hinge hood hook inlay "
  "insert joint key knob label leg lever lid light lining lock loop neck needle nozzle pad panel "
  "patch peg pin plate pocket point pouch rail rest ridge rim ring rod roller roof seal seam seat shade "
  "shelf shell side sleeve slot sole spine spoke spout spring stand stitch strap string switch tab tail tip "
  "top tray tube valve wall weave wheel whistle wick window wing zip"
).split()
THINGS = (
  "apron armchair axe backpack bag barrel basin basket bell belt bench bicycle blanket board boat book "
  "bottle bowl box bracelet broom brush bucket cabinet cage camera candle cap cape cart chair chest "
  "clock cloth coat comb compass cradle cup cupboard curtain cushion desk dish doll dress drum fan "
  "flute fork frame globe goblet grater hammer hammock hat helmet jacket jar jug kettle kite knife "
  "ladder ladle lamp lantern loom mat mattress mirror mixer mug needle notebook oven paddle pan pen "
  "pencil piano pillow pipe pitcher plate pot pump puzzle racket radio rake razor ring robe rocket "
  "rug saddle satchel saucer saw scarf shawl shirt shovel sieve skirt sledge sofa spade spoon stool "
  "stove suitcase sweater table tablet teapot tent toaster torch towel toy tray trolley trunk umbrella "
  "vase violin wagon wallet watch whisk wrench"
).split()
USES = (
  "baking beach breakfast camp city coffee cooking country desk dinner family farm fishing garden "
  "hiking home kitchen lunch market morning mountain night office picnic river road school sea ship "
  "station study summer tea theatre town trail travel village weekend winter work workshop yard"
).split()
DOERS = (
  "actor artist aunt baker beginner boy builder camper child climber clerk collector cook "
  "cousin cyclist dancer dentist doctor dreamer driver explorer family farmer fisher friend gardener "
  "girl guest hiker hunter inventor judge lawyer learner lover maker miller mother nurse owner painter "
  "parent pilot player poet porter reader rider runner sailor scholar seller sewer singer skier sleeper "
  "soldier student swimmer tailor teacher thinker trader traveller uncle visitor waiter walker worker "
  "writer"
).split()
MANNERS = (
  "busy calm careful clever cold curious eager early fast friendly gentle happy honest hungry keen "
  "lazy local lonely lucky messy modern nervous new noisy old patient polite poor proud quick quiet "
  "restless rich serious shy silent sleepy slow small strong tall thirsty tidy tired weary wise young"
).split()
COLOURS = (
  "amber beige black blue bronze brown cream crimson gold green grey indigo ivory lilac olive orange "
  "pink plum purple red rust sand scarlet silver teal violet white yellow"
).split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
  "January February March April May June July August September October November December"
).split()
NUMBERS = (
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
).split()


def made_up(w: Writer) -> str:
  """A word that is none: Falmere, Snoock, Trandella."""
  word = w.pick(ONSETS) + w.pick(VOWELS)
  if w.chance(0.3):
    word += w.pick(CODAS[:16]) + w.pick(VOWELS[:14])
  return (word + w.pick((*CODAS, *ENDINGS))).capitalize()


def _word(w: Writer) -> str:
  """A name's word: made up as often as not."""
  return made_up(w) if w.chance(0.5) else w.pick(w.pick((FIRST, SECOND)))


def name(w: Writer) -> str:
  kind = w.number(1, 20)
  if kind <= 4:
    return made_up(w)
  if kind <= 7:
    return f"{w.pick(FIRST)} {w.pick(SECOND)}"
  if kind == 8:
    return f"{_word(w)} {w.number(2, 999)}"
  if kind == 9:
    return f"{_word(w)} {w.pick(('&', 'and', 'of', 'the'))} {_word(w)}"
  return " ".join(_word(w) for _ in range(2 if kind < 18 else 3))


def person(w: Writer) -> str:
  return f"{w.pick(PEOPLE) if w.chance(0.6) else made_up(w)} {made_up(w)}"


def thing(w: Writer) -> str:
  """A kind of thing: lamp, tea kettle, oak camp table."""
  before = w.pick(("", "", f"{w.pick(USES)} ", f"{w.pick(USES)} ", f"{w.pick(MATERIALS)} "))
  return before + w.pick(THINGS)


def titled(w: Writer) -> str:
  """A product with its name: Trandella Fox tea kettle."""
  return f"{name(w)} {thing(w)}"


def price(w: Writer) -> str:
  whole = w.pick((w.number(1, 99), w.number(1, 199), w.number(1, 9_999)))
  cents = f".{w.number(0, 9)}{w.pick('0059')}" if w.chance(0.25) else ""
  if w.chance(0.12):
    return f"{whole}{cents} {w.pick(('euros', 'dollars', 'pounds', 'crowns', 'francs'))}"
  return f"{w.pick('££££$$€')}{whole}{cents}"


def part(w: Writer) -> str:
  """A part with what is said of it: wide brass handle, fold-up lid."""
  before = w.sample(
    (
      w.pick(ADJECTIVES),
      w.pick(MATERIALS),
      f"{w.pick(THINGS)}-{w.pick(('shaped', 'proof', 'sized', 'like', 'friendly'))}",
      f"{w.pick(('fold', 'lift', 'pull', 'roll', 'slide', 'snap', 'turn', 'twist'))}-"
      f"{w.pick(('away', 'back', 'down', 'off', 'on', 'out', 'up'))}",
      w.pick(USES),
      w.pick(COLOURS),
    ),
    w.number(1, 2),
  )
  return " ".join((*before, w.pick(PARTS)))


def feature(w: Writer) -> str:
  kind = w.number(1, 10)
  if kind <= 4:
    text = f"a {part(w)}"
  elif kind <= 6:
    text = plural(part(w))
  elif kind == 7:
    text = f"{w.pick(NUMBERS[2:])} {plural(part(w))}"
  elif kind == 8:
    text = f"room for {w.pick((w.pick(NUMBERS[2:]), str(w.number(2, 40))))} {plural(thing(w))}"
  elif kind == 9:
    text = f"a {w.pick(PARTS)} for {w.pick((audience(w), plural(thing(w))))}"
  else:
    text = f"a {part(w)} and {w.pick(NUMBERS[2:])} {plural(w.pick(PARTS))}"
  return articles(text)


def audience(w: Writer) -> str:
  return f"{w.pick((w.pick(MANNERS), w.pick(USES), w.pick(THINGS)))} {plural(w.pick(DOERS))}"


def clock(w: Writer) -> str:
  return (
    f"{w.number(1, 12)}{w.pick(('', '', ':30', ':15', ':45', ':05', ':20'))} {w.pick(('am', 'pm'))}"
  )


def date(w: Writer) -> str:
  day, month = w.number(1, 31), w.pick(MONTHS)
  return w.pick((f"{day} {month}", f"{month} {day}", f"{w.pick(DAYS)}, {day} {month}"))


def count(w: Writer) -> str:
  """A number in words or in figures."""
  return w.pick((w.pick(NUMBERS[2:]), str(w.number(2, 99)), str(w.number(100, 9_999))))


def address(w: Writer) -> str:
  kind = w.pick(("Street", "Road", "Lane", "Square", "Avenue", "Row", "Hill", "Gardens"))
  return f"{w.number(1, 320)} {_word(w)} {kind}"


def company(w: Writer) -> str:
  end = w.pick(("", " & Sons", " Works", " Company", " Brothers", " Studio", f" & {_word(w)}"))
  return f"{_word(w)}{end}"


def colour(w: Writer) -> str:
  return w.pick(("", "", "dark ", "pale ", "soft ", "deep ")) + w.pick(COLOURS)
