"""Kinds of products: what each is made of, what it is for, and what it has.

A row: noun; how several are counted ("" for one thing); materials; uses; features. A feature is
"what it has: what follows from it", and what follows is a whole clause, so that it may stand
before or after and needs no agreement.
"""

KITCHEN = (
  ("kettle", "", "steel|copper|enamel", "making tea|brewing coffee|boiling water",
   "a curved spout: you can pour without a spill|a whistle: you know when the water is ready|"
   "a cool handle: nobody burns a hand"),
  ("teapot", "", "clay|glass|porcelain", "serving tea|a slow breakfast|afternoon tea",
   "a fine strainer: no leaves end up in the cup|a tight lid: the tea stays hot|"
   "a wide handle: it is easy to lift"),
  ("mug", "", "clay|enamel|porcelain", "coffee at the desk|hot chocolate|early mornings",
   "a thick wall: the drink stays warm|a large handle: there is room for four fingers|"
   "a flat base: it does not tip over"),
  ("frying pan", "", "cast iron|steel|copper", "frying eggs|quick dinners|cooking fish",
   "a heavy base: the heat spreads evenly|a long handle: you can turn the food with one hand|"
   "a smooth surface: nothing sticks"),
  ("chopping board", "", "oak|bamboo|maple wood",
   "cutting bread|preparing vegetables|serving cheese",
   "a deep groove: juice stays on the board|rubber feet: the board does not slip|"
   "a round hole: you can hang it on a hook"),
  ("lunch box", "", "bamboo|steel|glass", "school days|lunch at the office|short trips",
   "two compartments: the fruit stays away from the bread|a rubber seal: nothing leaks|"
   "a simple clip: children can open it"),
  ("mixing bowl", "", "glass|steel|porcelain", "baking bread|making salads|cake batter",
   "a wide rim: you can hold it firmly|a soft base: it stays in place|"
   "a small lip: it pours cleanly"),
  ("coffee grinder", "", "steel|walnut wood|cast iron",
   "grinding fresh beans|strong coffee|camp coffee",
   "a steel burr: the coffee is always even|a small drawer: the powder does not fly about|"
   "a folding crank: it fits into any cupboard"),
)  # fmt: skip
OUTDOOR = (
  ("tent", "", "canvas|nylon|recycled nylon", "weekend trips|family camping|long summers",
   "a wide porch: wet boots can stay outside|"
   "colour-coded poles: the tent stands in ten minutes|"
   "two windows: fresh air comes in at night"),
  ("lantern", "", "steel|brass|aluminium", "dark evenings|camping|power cuts",
   "a warm light: reading is easy on the eyes|a sturdy hook: it hangs from any branch|"
   "a dimmer: nobody is dazzled"),
  ("backpack", "", "canvas|leather|recycled nylon", "day hikes|city trips|carrying books",
   "padded straps: the shoulders do not hurt|a rain cover: everything stays dry|"
   "seven pockets: each thing has its place"),
  ("sleeping bag", "", "cotton|down|soft fleece",
   "cold nights|mountain huts|sleeping under the stars",
   "a deep hood: the head stays warm|a two-way zip: you can cool your feet|"
   "a small sack: it packs down to the size of a loaf"),
  ("hammock", "", "cotton|canvas|nylon", "lazy afternoons|reading in the garden|summer naps",
   "strong ropes: two adults can lie in it|wide straps: the trees are not harmed|"
   "a side pocket: your book is close at hand"),
  ("camping stove", "", "steel|aluminium|cast iron",
   "cooking on the trail|quick soups|camp breakfasts",
   "a wind shield: the flame does not go out|folding legs: the stove fits into a pocket|"
   "a fine valve: you can simmer a sauce"),
  ("walking boots", "pair", "leather|suede|waxed canvas", "long walks|muddy paths|mountain trails",
   "a thick sole: stones do not hurt the feet|a high ankle: every step is safe|"
   "a waterproof lining: the feet stay dry"),
  ("gloves", "pair", "wool|leather|soft fleece", "cold mornings|winter walks|work in the garden",
   "a long cuff: no snow gets in|a soft lining: the fingers stay warm|"
   "a good grip: nothing slips from the hand"),
  ("water bottle", "", "steel|glass|aluminium", "long rides|school days|the gym",
   "a wide mouth: it is easy to clean|a leather loop: you can tie it to a bag|"
   "a double wall: water stays cold for a day"),
  ("folding chair", "", "oak|aluminium|canvas", "the beach|garden parties|fishing trips",
   "a cup holder: the drink has its place|a high back: the neck can rest|"
   "a carrying strap: you can take it anywhere"),
  ("rain jacket", "", "nylon|waxed cotton|recycled nylon", "wet days|sailing|walks by the sea",
   "a large hood: the rain stays out|sealed seams: no water gets in|"
   "two deep pockets: the hands stay warm"),
)  # fmt: skip
HOME = (
  ("lamp", "", "brass|paper|oak", "reading in bed|quiet corners|late work",
   "a bendable arm: the light falls where you need it|a linen shade: the light is soft|"
   "a foot switch: you need not bend down"),
  ("cushion", "", "linen|cotton|velvet", "the sofa|long evenings|window seats",
   "a hidden zip: the cover can be washed|a firm filling: it keeps its shape|"
   "a woven edge: it looks good from all sides"),
  ("rug", "", "wool|cotton|jute", "the living room|cold floors|the hallway",
   "a thick pile: the feet stay warm|a rubber back: it never slips|"
   "a tight weave: crumbs come off easily"),
  ("blanket", "", "wool|cotton|soft fleece", "cold evenings|the sofa|picnics",
   "a fringed edge: it looks good on any chair|a light weave: it dries quickly|"
   "a generous size: two people fit under it"),
  ("wall clock", "", "oak|steel|bamboo", "the kitchen|the office|the hallway",
   "large numbers: the time is easy to read|a silent movement: nobody is woken|"
   "a single battery: it runs for two years"),
  ("bookshelf", "", "oak|pine|walnut wood", "small rooms|many books|the study",
   "five shelves: there is room for a hundred books|rounded corners: children are safe|"
   "a wall bracket: it cannot fall over"),
  ("candle", "", "beeswax|soy wax|olive wax", "dinner tables|quiet baths|winter nights",
   "a cotton wick: the flame is calm|a mild scent: the room smells of honey|"
   "a glass jar: it can be used again"),
  ("basket", "", "willow|bamboo|jute", "fresh laundry|toys|firewood",
   "two strong handles: it is easy to carry|a cotton lining: nothing gets caught|"
   "a flat lid: it can serve as a table"),
  ("armchair", "", "velvet|leather|linen", "reading|the living room|tea by the fire",
   "wide arms: a cup can stand on them|short legs: it suits low rooms|"
   "a deep seat: you can curl up in it"),
  ("slippers", "pair", "felt|wool|suede", "cold floors|lazy Sundays|quiet mornings",
   "a soft sole: every step is quiet|a raised heel: they do not slip off|"
   "a wool lining: the toes stay warm"),
  ("curtains", "pair", "linen|cotton|velvet", "bright bedrooms|large windows|the living room",
   "a dark lining: the morning sun stays out|metal rings: they slide without noise|"
   "a deep hem: they hang straight"),
)  # fmt: skip
DESK_AND_PLAY = (
  ("notebook", "", "recycled paper|leather|linen", "daily notes|travel diaries|sketches",
   "a flat binding: it stays open on the desk|a back pocket: loose papers are safe|"
   "numbered pages: you find every note again"),
  ("fountain pen", "", "brass|steel|walnut wood", "letters|signing papers|neat writing",
   "a steel nib: the line is even|a screw cap: the ink does not dry|"
   "a slim body: the hand does not tire"),
  ("scissors", "pair", "steel|carbon steel|recycled steel", "paper crafts|sewing|opening parcels",
   "soft grips: the fingers do not hurt|a fine tip: small shapes are easy to cut|"
   "a leather case: they are safe in a drawer"),
  ("radio", "", "oak|bamboo|recycled plastic", "the kitchen|morning news|the workshop",
   "a round dial: stations are easy to find|a long battery life: it plays for twenty hours|"
   "a deep speaker: voices sound clear"),
  ("headphones", "pair", "leather|aluminium|recycled plastic",
   "train journeys|work in busy rooms|music at night",
   "soft pads: the ears do not get hot|a folding band: they fit into a small bag|"
   "a clear microphone: calls are easy to follow"),
  ("puzzle", "", "wood|cardboard|recycled paper", "rainy days|family evenings|quiet afternoons",
   "large pieces: small hands can hold them|a cloth bag: no piece gets lost|"
   "a printed guide: beginners know where to start"),
  ("kite", "", "cotton|nylon|recycled nylon", "windy beaches|autumn days|open fields",
   "a long tail: it flies in a straight line|a wooden reel: the line does not tangle|"
   "bright panels: you can see it from far away"),
  ("board game", "", "wood|cardboard|recycled paper", "game nights|long trips|rainy Sundays",
   "short rules: you can start at once|a folding board: the game fits into a bag|"
   "wooden pieces: the game lasts for years"),
  ("building blocks", "set", "beech wood|maple wood|cork",
   "rainy afternoons|nurseries|playing on the floor",
   "smooth edges: nobody gets a splinter|a strong box: tidying up is quick|"
   "four shapes: every tower is different"),
)  # fmt: skip
GARDEN_AND_SPORT = (
  ("watering can", "", "zinc|steel|recycled plastic", "young plants|balconies|the greenhouse",
   "a long neck: you reach the plants at the back|a fine rose: the water falls like rain|"
   "a second handle: it is easy to tip"),
  ("plant pot", "", "clay|zinc|concrete", "herbs|window sills|small trees",
   "a drain hole: the roots do not rot|a matching plate: the table stays dry|"
   "a thick wall: the soil stays cool"),
  ("bird feeder", "", "oak|zinc|bamboo", "winter gardens|balconies|watching birds",
   "a slanted roof: the seeds stay dry|a clear window: you see when it is empty|"
   "a narrow perch: large birds stay away"),
  ("garden bench", "", "oak|cast iron|pine", "quiet gardens|the terrace|the porch",
   "a curved back: you can sit for hours|wide slats: rain runs off quickly|"
   "a hidden box: the tools are out of sight"),
  ("trowel", "", "steel|carbon steel|recycled steel", "planting bulbs|small beds|pots and boxes",
   "a pointed blade: it goes into hard soil|a marked scale: every bulb is at the right depth|"
   "an ash handle: it feels good in the hand"),
  ("yoga mat", "", "cork|rubber|jute", "morning exercise|small studios|stretching",
   "a rough top: the hands do not slide|an elastic strap: it stays rolled up|"
   "a thick core: the knees do not hurt"),
  ("football", "", "leather|rubber|recycled plastic", "the park|school sports|the beach",
   "double seams: the ball stays round|a bright pattern: it is easy to see at dusk|"
   "a soft surface: beginners are not afraid of it"),
  ("scarf", "", "wool|silk|cotton", "windy days|winter evenings|city walks",
   "a long cut: you can wrap it twice|a woven pattern: it suits every coat|"
   "a soft finish: it does not scratch"),
  ("sun hat", "", "straw|cotton|linen", "hot days|the beach|garden work",
   "a wide brim: the face is in the shade|a chin strap: the wind cannot take it|"
   "a soft crown: it can be rolled up"),
  ("socks", "pair", "wool|cotton|bamboo fibre", "long walks|cold floors|everyday wear",
   "a padded heel: nothing rubs|a loose band: they leave no marks|"
   "a flat toe seam: they fit into any shoe"),
  ("bicycle bell", "", "brass|steel|copper", "busy streets|old bicycles|school runs",
   "a clear tone: everybody hears it|a simple clamp: you need no tools|"
   "a small lever: one thumb is enough"),
)  # fmt: skip
KINDS = KITCHEN + OUTDOOR + HOME + DESK_AND_PLAY + GARDEN_AND_SPORT
COLOURS = (
  "red|blue|green|yellow|grey|black|white|cream|brown|dark blue|pale green|soft grey|"
  "deep red|light blue|sand|rust|forest green|sky blue"
).split("|")
AUDIENCES = (
  "families|students|beginners|children|gardeners|campers|travellers|readers|hikers|cooks|"
  "young parents|busy people|dog owners|cyclists|early risers|artists|"
  "older people|people in small flats|city dwellers|people who love order|people with little space"
).split("|")
