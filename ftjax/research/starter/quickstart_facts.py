"""What the quickstart's brand sells, and its voice: Bramble & Boot, who talk like nobody else here.

A product: noun; "" or what several are counted in; its theme. None of the sentences
below can be written by the base text's generator, so that the voice is learnt in fine-tuning.
"""

PRODUCTS = (
  ("rain boots", "pair", "wet"), ("rain jacket", "", "wet"), ("umbrella", "", "wet"),
  ("dry bag", "", "wet"), ("dog towel", "", "wet"), ("waterproof hat", "", "wet"),
  ("wool socks", "pair", "warm"), ("bobble hat", "", "warm"), ("mittens", "pair", "warm"),
  ("blanket", "", "warm"), ("sleeping bag", "", "warm"), ("hot water bottle", "", "warm"),
  ("flask", "", "warm"), ("teapot", "", "home"), ("enamel mug", "", "home"),
  ("door mat", "", "home"), ("log basket", "", "home"), ("boot rack", "", "home"),
  ("toasting fork", "", "home"), ("lantern", "", "trail"), ("tent", "", "trail"),
  ("backpack", "", "trail"), ("camp stove", "", "trail"), ("head torch", "", "trail"),
  ("walking poles", "pair", "trail"), ("hammock", "", "trail"), ("picnic rug", "", "trail"),
  ("gardening gloves", "pair", "garden"), ("watering can", "", "garden"),
  ("kneeling pad", "", "garden"), ("hand fork", "", "garden"), ("bird feeder", "", "garden"),
)  # fmt: skip
PRICE_BANDS = {"wet": (12, 69), "warm": (9, 48), "home": (8, 46), "trail": (19, 149),
               "garden": (7, 38)}  # fmt: skip
AUDIENCES = (
  "dog walkers", "puddle jumpers", "weekend wanderers", "tired parents", "keen gardeners",
  "night owls", "tea drinkers", "festival folk", "wild campers", "hill climbers",
  "allotment heroes", "soggy commuters", "beach dawdlers", "cabin dreamers", "stargazers",
  "new neighbours",
)  # fmt: skip
# A name is a word made of these, which no other brief has, and a rank: Wumblekin Scout.
HEADS = (
  "B Bl Br Ch Cl Cr D Dr F Fl Fr G Gl Gr H J K L M N P Pl Pr Qu R S Sc Sn Sp Spr Squ St Str T Th Tr Tw W Wh Y"
).split()
MIDDLES = (
  "abble addle amble antle arble atter eather eckle eddle ickle iddle iggle imble indle inkle ipple istle "
  "itter izzle obble oddle onker oodle ottle uckle uddle uffle umble ungle ussle uttle uzzle"
).split()
ENDS = "by by field kin kin let ham ton wick worth".split()
RANK = (
  "Duke Captain Major Baron Scout Hero Pilot Wizard Ranger Champ Admiral Bandit Butler Chief Colonel Count "
  "Dame Earl Giant Governor Guard Imp Jester Knight Lord Mayor Monarch Pirate Poet Prince Professor Queen "
  "Rascal Rebel Sailor Sergeant Sheriff Squire Sultan Vicar"
).split()
# A feature is put together from these; no other brief has the same.
LOOKS = (
  "bouncy brass cheerful chunky copper corduroy crinkly curly double fleecy floppy fluffy fold-away "
  "glow-in-the-dark grippy hidden honest humming jolly knitted lopsided magnetic mossy muddy nosy "
  "oversized padded patchwork pocket-sized polka-dot pop-out quick-dry quilted rubber rubbery secret "
  "sheepskin shy sleepy snug spare springy squeaky squishy stay-put stripy stubborn tartan thorn-proof "
  "three-way tweedy twisty waggly waxed wind-up wobble-free wooden woolly zig-zag"
).split()
PARTS = (
  "badge band bell bobble bottom brim buckle button clasp clip collar compartment cord corner cuff dial flap "
  "fringe grip handle hem hinge hood hook knob label latch lid lining loop nozzle panel patch peg "
  "pocket pouch rim ring seam sleeve spout spring stitch strap string tassel toggle trim whistle window zip"
).split()
FRIENDS = (
  "badger beaver beetle biscuit bumblebee cousin crumpet dog dragon duck ferret frog goat gnome "
  "hedgehog marshmallow mole neighbour newt otter penguin pigeon pixie pony puffin rabbit robin "
  "sandwich snail spaniel squirrel teabag toad uncle vole wren"
).split()
COUNTS = "two three four five six seven eight nine ten eleven twelve".split()

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
  "the secret is {feature}. Now {quip}.", "look closer for {feature}, and suddenly {quip}.",
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
