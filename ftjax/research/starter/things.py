"""Short entries as in a book of knowledge: animals, food, plants and trades.

A row: a noun in the singular; then facts, each a clause whose subject is that noun. The text says
one as it stands, or several at once, with "it" for all but the first.
"""

from ftjax.research.starter.writer import Writer, finish

ANIMALS = (
  ("otter",
   "lives near rivers and lakes|eats fish and crabs|is a fast swimmer|has thick brown fur|"
   "likes to slide down muddy banks|floats on its back when it sleeps"),
  ("hedgehog",
   "sleeps through the winter|eats beetles and worms|has thousands of spines|"
   "rolls into a ball when danger is near|is active at night|builds a nest of dry leaves"),
  ("squirrel",
   "hides nuts for the winter|jumps from branch to branch|has a bushy tail|"
   "forgets where half of its food is buried|builds round nests high up in trees"),
  ("badger",
   "digs long tunnels|leaves its home after sunset|has a striped head|eats roots and worms|"
   "keeps its home very clean"),
  ("owl",
   "hunts at night|flies without a sound|turns its head almost all the way round|"
   "has large eyes|catches mice"),
  ("sheep",
   "gives us wool and milk|lives in a flock|grazes on dry hills|remembers faces for years|"
   "stays calm in the rain"),
  ("donkey",
   "carries heavy loads|has long ears|is careful rather than stubborn|needs company|"
   "lives for thirty years or more"),
  ("bee",
   "collects nectar from flowers|dances to show others the way|makes honey and wax|"
   "lives with thousands of sisters|carries pollen on its legs"),
  ("snail",
   "carries its shell on its back|leaves a silver track|eats leaves at night|"
   "moves less than a metre in a minute|hides from the sun"),
  ("crow",
   "solves simple puzzles|collects shiny objects|lives in towns and fields|"
   "warns its friends of danger|recognises human faces"),
  ("seal", "dives for fish|rests on sandy banks|has a thick layer of fat|hears well under water"),
  ("frog",
   "starts life as a tadpole|catches flies with its tongue|drinks through its skin|"
   "sings on warm nights"),
)  # fmt: skip
FOODS = (
  ("loaf of bread",
   "needs only flour, water, salt and time|smells best in the morning|"
   "keeps for days in a dry box|rises overnight|gets its crust in a hot oven"),
  ("pancake",
   "is made of milk, eggs and flour|turns golden in hot butter|"
   "tastes good with sugar and lemon|is flipped once|takes two minutes"),
  ("omelette",
   "cooks in three minutes|goes well with mushrooms or spinach|needs fresh eggs|"
   "stays soft in the middle"),
  ("pizza",
   "comes with tomatoes and cheese|needs a very hot oven|is cut into slices|"
   "tastes good even when it is cold"),
  ("bowl of porridge",
   "keeps you full until noon|is made of oats|tastes good with berries and honey|"
   "warms cold hands"),
  ("pumpkin soup",
   "has a bright orange colour|is cooked with onions and ginger|tastes best in October|"
   "freezes well"),
  ("potato",
   "grows under the ground|is boiled, baked or fried|keeps best in the dark|"
   "came to Europe from America"),
  ("apple",
   "ripens in autumn|keeps well in a cool cellar|comes in red, green or yellow|"
   "is pressed to make juice"),
  ("tomato",
   "needs sun and warmth|is botanically a berry|loses its taste in the cold|"
   "goes well with basil"),
)  # fmt: skip
PLANTS_AND_WEATHER = (
  ("oak",
   "lives for a thousand years|feeds hundreds of insects|has hard wood|drops acorns|"
   "grows slowly"),
  ("sunflower",
   "turns towards the light while it is young|grows taller than a person|"
   "feeds birds with its seeds|lasts for one summer"),
  ("fern",
   "likes shade and damp soil|has no flowers|unrolls its leaves in spring|"
   "is older than the dinosaurs"),
  ("tulip",
   "grows from a bulb|flowers in April and May|closes in the evening|"
   "once cost as much as a house"),
  ("cactus",
   "stores water in its stem|has spines instead of leaves|survives months without rain|"
   "flowers in a single night"),
  ("rainbow",
   "appears when the sun shines through rain|shows seven colours|stands opposite the sun|"
   "looks different to everyone"),
  ("thunderstorm",
   "forms on hot, damp afternoons|brings lightning and heavy rain|is loudest when it is close|"
   "clears the air"),
  ("snowflake",
   "has six arms|forms around a grain of dust|melts on a warm glove|falls slowly to the ground"),
  ("puddle",
   "appears after rain|mirrors the sky|disappears in the sun|freezes in January|"
   "makes children and dogs happy"),
)  # fmt: skip
TRADES = (
  ("carpenter",
   "works with wood|builds doors, stairs and roofs|measures twice and cuts once|"
   "needs a sharp saw"),
  ("baker",
   "gets up before dawn|kneads dough|knows the taste of every street|"
   "sells the first rolls at six"),
  ("gardener",
   "prunes hedges and fruit trees|fights weeds|knows when frost is coming|wears boots all year"),
  ("nurse", "cares for patients|works in shifts|checks temperature and pulse|stays calm"),
  ("teacher",
   "explains hard things in simple words|marks homework|learns thirty names in a week|"
   "asks good questions"),
  ("librarian",
   "knows where every book stands|helps people with their search|repairs torn pages|"
   "reads aloud to children"),
  ("letter carrier",
   "carries letters and parcels|knows every dog in the village|walks ten miles a day|"
   "starts work at five"),
  ("farmer",
   "sows wheat in autumn|milks the cows twice a day|repairs fences and tractors|"
   "watches the clouds"),
  ("engineer",
   "designs bridges and machines|calculates loads|tests every part|looks for simple solutions"),
  ("musician",
   "practises every day|tunes the strings before a concert|reads notes like words|"
   "plays for weddings and parties"),
  ("shepherd",
   "spends the summer on the hill|trains dogs|knows each animal in the flock|"
   "sleeps in a small hut"),
  ("sailor", "reads the wind and the stars|ties strong knots|paints the deck|writes letters home"),
)  # fmt: skip
KINDS = ANIMALS + FOODS + PLANTS_AND_WEATHER + TRADES
FRAMES = (
  "a {noun} {fact}.",
  "as everybody knows, a {noun} {fact}.",
  "people like to say that a {noun} {fact}.",
  "it is a fact that a {noun} {fact}.",
  "did you know that a {noun} {fact}?",
)
LATER = (
  "it {fact}.",
  "it also {fact}.",
  "a {noun} {fact}.",
  "what is more, it {fact}.",
  "it {fact}, and it {second}.",
  "a {noun} {fact} and {second}.",
)
LATER_TRADE = (
  "a {noun} {fact}.",
  "a {noun} {fact}, and often {second}.",
  "a good {noun} {fact}.",
  "a {noun} {fact} and {second}.",
  "on most days, a {noun} {fact}.",
)


def entry(w: Writer) -> str:
  """One to three entries; a heading when there are several."""
  rows = w.sample(KINDS, w.pick((1, 1, 2, 3)))
  if len(rows) == 1 and w.chance(0.6):
    return _entry(w, rows[0])
  return "\n\n".join(f"{row[0].capitalize()}\n{_entry(w, row)}" for row in rows)


def _entry(w: Writer, row: tuple[str, str]) -> str:
  noun, facts = row[0], w.shuffle(row[1].split("|"))
  parts = [w.fill(w.pick(FRAMES), {"noun": noun, "fact": facts.pop()})]
  later = LATER_TRADE if row in TRADES else LATER
  while facts:
    frame = w.pick(later)
    if "{second}" in frame and len(facts) < 2:
      continue
    values = {"noun": noun, "fact": facts.pop()}
    values["second"] = facts.pop() if "{second}" in frame else ""
    parts.append(w.fill(frame, values))
  return finish(" ".join(parts))
