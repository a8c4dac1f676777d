"""Kinds of places: what one does there, and what each is known for.

A row: noun; what a visitor does there; what it is known for (several things, so that the verb is
plural); what is counted there; what else it has.
"""

EAT = (
  ("cafe", "drink coffee",
   "fresh cakes|strong coffee and warm rolls|nut cakes|cinnamon buns|thick soups|fruit tarts",
   "tables", "a small terrace|a shelf of books|free wireless internet"),
  ("bakery", "buy bread", "dark rye loaves|butter biscuits|seeded rolls|apple pies|sweet buns",
   "kinds of bread", "a standing bar|a window to the oven|a basket of yesterday's bread"),
  ("restaurant", "have dinner",
   "fish dishes|noodle dishes|vegetable stews|grilled chicken dishes|Italian dishes|"
   "Indian curries|Chinese dumplings|French sauces|home-made pies", "seats",
   "a quiet courtyard|a children's menu|an open kitchen"),
  ("pub", "meet friends", "local beers|meat pies|quiz nights|Sunday roasts|folk evenings", "seats",
   "an open fire|a garden at the back|a dart board"),
  ("tea room", "drink tea", "scones with jam|small sandwiches|herbal teas|lemon cakes", "tables",
   "a bay window|a piano|a view of the church"),
  ("ice cream shop", "eat ice cream", "sour cherry cones|milk ices|fruit ices|hazelnut cups",
   "flavours", "a bench outside|a small counter for children|a list of the week's flavours"),
)  # fmt: skip
STAY = (
  ("hotel", "stay the night", "large beds|generous breakfasts|quiet rooms|views of the river",
   "rooms", "a lift|a sauna|a garage|a roof terrace"),
  ("guest house", "stay the night", "home-made breakfasts|sunny rooms|friendly hosts", "rooms",
   "a shared kitchen|a garden with apple trees|a shed for bicycles"),
  ("campsite", "put up a tent", "shady pitches|clean showers|evening fires", "pitches",
   "a small shop|a playground|a path to the lake"),
  ("hostel", "stay the night", "low prices|game evenings|walking tours", "beds",
   "a laundry room|a kitchen for guests|a cosy lounge"),
)  # fmt: skip
SEE = (
  ("museum", "learn about the past",
   "old maps|ship models|Roman coins|early machines|glass and pottery", "rooms",
   "a gift shop|a guided tour on Sundays|a workshop for children"),
  ("gallery", "look at art", "modern prints|portraits|landscape paintings|large photographs",
   "rooms", "a reading corner|a garden of sculptures|an audio guide"),
  ("park", "go for a walk", "old trees|rose beds|wide lawns|small bridges", "benches",
   "a playground|a pond with ducks|a running track"),
  ("library", "borrow books", "local history books|picture books|quiet desks|story hours", "desks",
   "a room for groups|a music section|a garden for readers"),
  ("bookshop", "buy books", "travel guides|crime novels|used books|art books", "shelves",
   "a reading chair by the window|a corner for children|a notice board"),
  ("theatre", "see a play", "short comedies|new plays|puppet shows|classic dramas", "seats",
   "a bar in the hall|a costume room|a small stage for students"),
  ("cinema", "see a film", "silent films|documentaries|children's films|late shows", "seats",
   "a cafe|a hall for private parties|comfortable chairs"),
  ("swimming pool", "go for a swim", "warm pools|long lanes|swimming lessons", "lanes",
   "a slide|a sauna|a lawn for hot days"),
  ("market hall", "buy fresh food", "cheese stalls|fresh fish|seasonal fruit|flower stalls",
   "stalls", "a food court|a cooking corner|free parking"),
  ("botanical garden", "see rare plants", "cactus houses|water lilies|herb beds|old palms",
   "greenhouses", "a seed shop|a path for blind visitors|a tea house"),
  ("zoo", "watch animals", "sea lions|young elephants|colourful parrots|night houses",
   "kinds of animals", "a petting corner|a picnic lawn|a small train"),
)  # fmt: skip
PLACES = EAT + STAY + SEE
LANDMARKS = (
  "the old bridge|the main station|the town hall|the harbour|the church|the university|"
  "the market square|the river|the castle|the city park|the fire station|the post office|"
  "the bus station|the football ground|the lighthouse|the water tower"
).split("|")
MOODS = (
  "quiet|lively|friendly|bright|relaxed|old-fashioned|modern|elegant|simple|cosy|colourful|"
  "peaceful|busy|charming|spacious|small"
).split("|")
