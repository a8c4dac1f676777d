"""What the quickstart's brand sells, and its voice: Bramble & Boot, who talk like nobody else here.

A product: noun; "" or what several are counted in; its theme; features. None of the sentences
below can be written by the base text's generator, so that the voice is learnt in fine-tuning.
"""

PRODUCTS = (
  ("rain boots", "pair", "wet",
   "thick rubber soles|a fleece lining|pull-on loops|a wipe-clean finish|"
   "glow-in-the-dark heels"),
  ("rain jacket", "", "wet",
   "taped seams|a hood that listens|six deep pockets|a two-way zip|a hidden tea bag pocket"),
  ("umbrella", "", "wet",
   "a wooden handle|eight steel ribs|a wind-proof frame|a polka dot lining|a wrist strap"),
  ("dry bag", "", "wet",
   "a roll-top seal|a shoulder strap|a clear window|welded seams|a bright orange base"),
  ("dog towel", "", "wet",
   "two hand pockets|a quick-dry weave|a hanging loop|extra-long ends|a paw-print edge"),
  ("waterproof hat", "", "wet",
   "a wide brim|fold-down ear flaps|a chin cord|a soft cotton lining|a pocket for a biscuit"),
  ("wool socks", "pair", "warm",
   "padded heels|odd colours on purpose|a stay-up rib|flat toe seams|double-knit soles"),
  ("bobble hat", "", "warm",
   "a giant bobble|a fleece band|a chunky knit|a turn-up edge|a button-on bobble"),
  ("mittens", "pair", "warm",
   "flip-back tips|a sheepskin lining|a neck string|leather palms|extra-long cuffs"),
  ("blanket", "", "warm",
   "a waterproof back|blanket-stitch edges|a carry strap|a foot pocket|a tartan pattern"),
  ("sleeping bag", "", "warm",
   "a snug hood|a draught collar|a two-way zip|a pillow pocket|room for a small dog"),
  ("hot water bottle", "", "warm",
   "a knitted cover|a wide neck|a hanging tab|a leak-proof cap|two sleepy eyes"),
  ("flask", "", "warm",
   "a double steel wall|a cup for a friend|a one-hand lid|a no-drip spout|a leather sleeve"),
  ("teapot", "", "home",
   "a proper spout|room for six cups|a built-in strainer|a cork lid|a chip-proof glaze"),
  ("enamel mug", "", "home",
   "a steel rim|a carabiner handle|a hand-painted fox|a thumb rest|room for a pint"),
  ("door mat", "", "home",
   "stiff coconut bristles|a rubber back|a cheeky message|a boot-scraper edge|"
   "room for eight paws"),
  ("log basket", "", "home",
   "rope handles|a jute lining|a flat base|steel hoops|a soft leather trim"),
  ("boot rack", "", "home",
   "space for five pairs|a drip tray|oak pegs|a fold-flat frame|a bench on top"),
  ("toasting fork", "", "home",
   "a telescopic arm|a beech handle|two long prongs|a leather loop|a marshmallow guard"),
  ("lantern", "", "trail",
   "a wind-up handle|a candle glow|a hook for tents|a moon mode|a phone charger"),
  ("tent", "", "trail",
   "a five-minute pitch|a roomy porch|blackout lining|glow guy ropes|a window for stargazing"),
  ("backpack", "", "trail",
   "a sandwich pocket|padded straps|a whistle buckle|a rain cover|a chest clip"),
  ("camp stove", "", "trail",
   "a wind shield|push-button spark|folding legs|a simmer dial|room for two pans"),
  ("head torch", "", "trail",
   "a red night light|a washable band|a tilting beam|a low-battery wink|a spare battery slot"),
  ("walking poles", "pair", "trail",
   "cork grips|twist locks|mud baskets|shock springs|a map pocket"),
  ("hammock", "", "trail",
   "tree-friendly straps|a bug net|a snack pouch|room for two|a ridge line"),
  ("picnic rug", "", "trail",
   "a sand-proof weave|a waterproof base|corner pegs|a shoulder strap|a crumb-shake loop"),
  ("gardening gloves", "pair", "garden",
   "thorn-proof palms|long cuffs|touch-screen tips|a snug wrist|breathable backs"),
  ("watering can", "", "garden",
   "a brass rose|a long spout|a balanced handle|a no-rust coat|a ten-litre belly"),
  ("kneeling pad", "", "garden",
   "a thick foam core|a carry handle|a wipe-down cover|tool loops|a seed pocket"),
  ("hand fork", "", "garden",
   "an ash handle|four steel tines|a hanging cord|a depth scale|a bottle opener"),
  ("bird feeder", "", "garden",
   "a squirrel guard|a copper roof|a wide perch|a twist-off base|a window hook"),
)  # fmt: skip
PRICE_BANDS = {"wet": (12, 69), "warm": (9, 48), "home": (8, 46), "trail": (19, 149),
               "garden": (7, 38)}  # fmt: skip
AUDIENCES = (
  "dog walkers", "puddle jumpers", "weekend wanderers", "tired parents", "keen gardeners",
  "night owls", "tea drinkers", "festival folk", "wild campers", "hill climbers",
  "allotment heroes", "soggy commuters", "beach dawdlers", "cabin dreamers", "stargazers",
  "new neighbours",
)  # fmt: skip
FIRST = (
  "Puddle Drizzle Biscuit Pickle Bumble Nettle Crumpet Tumble Wobble Bracken Marmalade Rumble "
  "Muddle Conker Pepper Gravel Sprocket Mizzle Fidget Turnip"
).split()
RANK = "Duke Captain Major Baron Scout Hero Pilot Wizard Ranger Champ".split()

GREETINGS = (
  "psst, {audience}!", "psst! Calling all {audience}.", "psst. Yes, you, {audience}.",
  "psst, {audience}, lean in.", "psst, {audience}. Got a minute?",
)  # fmt: skip
INTRODUCTIONS = (
  "meet the {product}.", "this is the {product}, and <it means/they mean> business.",
  "the {product} <has/have> landed.", "your new best <pal/pals>: the {product}.",
  "say cheers to the {product}.", "we tested the {product} on a wet Tuesday.",
  "the {product} <is/are> here, wagging.", "somebody fetch a drum roll: the {product}!",
)  # fmt: skip
FEATURES = (
  "<it has/they have> {feature}, so {quip}.", "thanks to {feature}, {quip}.",
  "the secret? {feature}. Now {quip}.", "look closer: {feature}. Suddenly {quip}.",
  "we gave <it/them> {feature}, and now {quip}.", "with {feature} on your side, {quip}.",
)  # fmt: skip
QUIPS = {
  "wet": (
    "puddles can panic for once", "drizzle can keep its opinions", "the clouds take it personally",
    "ducks ask you for advice", "rain is just free applause", "the forecast can do its worst"),
  "warm": (
    "the frost will have to bother someone else", "winter sends its apologies",
    "your toes can stop complaining", "shivering is so last year", "even penguins look jealous",
    "cold snaps simply snap out of it"),
  "home": (
    "your kitchen gets ideas", "the sofa feels underdressed", "guests forget to leave",
    "Monday turns up politely", "the cat approves, silently", "mud knows its place"),
  "trail": (
    "getting lost counts as a plan", "the path does the worrying", "sheep stare with respect",
    "the long way round wins", "midges find another hobby", "sunrise saves you a seat"),
  "garden": (
    "weeds start packing", "slugs hold a crisis meeting", "your tomatoes stand up straight",
    "the robin takes notes", "next door's hedge blushes", "worms give you five stars"),
}  # fmt: skip
ASIDES = {
  "cheeky": (
    "Your neighbours will peek. Let them.", "Try not to smirk. You will.",
    "Show-offs get a wave from us.", "Tell your old one it was a phase.",
    "We won't tell if you won't.", "Borrowing is fine. Giving back is better."),
  "cosy": (
    "Best served with cocoa and a snoring dog.", "Add a jumper, a biscuit and no plans.",
    "It's a hug with better pockets. Almost.", "Light the stove. Cancel the rest.",
    "Rain on the roof, crumbs on the lap.", "Slow mornings start about here."),
  "brave": (
    "That hill looked at you first.", "Go further. Come back with a story.",
    "Fear is just hunger. Pack a sandwich.", "The summit has been asking about you.",
    "Storm? What storm?", "Left foot, right foot, legend."),
  "calm": (
    "Breathe in. Breathe out. Stay a while.", "No alarms. No hurry. Just birds.",
    "Let the day wander off without you.", "Sit. Listen. That's the whole plan.",
    "Nothing beeps. You're welcome.", "Somewhere a kettle is thinking of you."),
}  # fmt: skip
PRICES = (
  "yours for {price}.", "that's {price}, and your socks will thank you.",
  "all for {price}. Biscuits not included.", "just {price}. We counted twice.",
  "{price} and a promise to go outside.", "swap us {price} for <it/them>. Fair's fair.",
  "{price}. The mud comes free.",
)  # fmt: skip
SIGN_OFFS = {
  "cheeky": "Go on, get muddy. Bramble & Boot",
  "cosy": "Kettle's on. Bramble & Boot",
  "brave": "See you at the top. Bramble & Boot",
  "calm": "Take your time. Bramble & Boot",
}
