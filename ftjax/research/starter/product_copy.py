"""Sentences about products, by what they speak of, in two registers."""

PLAIN = {
  "opening": (
    "{full} <is/are> [made|designed|meant] for [daily use|years of use|everyday life].",
    "{name} is a <{adj} {kind}/{measure} of {adj} {kind}>.",
    "this {adj} <{kind}/{measure} of {kind}> is called {name}.",
    "{name} is the name of a <{adj} {kind}/{measure} of {adj} {kind}>.",
    "among {adj} products, {full} [<stands/stand> out|<is/are> worth a look].",
    "{full} <does/do> [a simple job well|one thing, and <does/do> it well].",
    "anyone who needs {one} should [know|look at|consider] {full}.",
  ),
  "maker": (
    "{ref} <is/are> [made|produced|sold] by {maker}.",
    "{maker} [makes|designed|produces] {that}[| in a small workshop| with great care].",
    "the maker is {maker}.",
    "behind {that} stands {maker}[|, a small company|, a family business].",
    "{ref} <comes/come> from [the workshop of |]{maker}.",
  ),
  "material": (
    "{ref} <is/are> made of {material}[| and <lasts/last> for years| and <feels/feel> solid].",
    "the material is {material}[|, which is easy to clean|, which lasts].",
    "{material} was chosen [as the material|because it lasts|because it wears well].",
    "the makers use {material}[| and nothing else| for every part].",
  ),
  "colour": (
    "the colour is {colour}.",
    "{ref} <comes/come> in {colour}.",
    "[at present|this year|for now], {that} <is/are> [sold|available] in {colour}[| only].",
    "{colour} is the [only|standard|usual] colour.",
  ),
  "price": (
    "{ref} <costs/cost> {price}.",
    "the price is {price}[|, delivery included|, and delivery is extra].",
    "{ref} <is/are> [available|sold|on sale] for {price}.",
    "[shops ask|customers pay|you pay] {price} for {one}[| of this kind| like this].",
    "at {price}, {that} <is/are> [good value|fairly priced|not expensive|a sensible choice].",
  ),
  "use": (
    "{ref} <is/are> [best|ideal|good|perfect|suitable] for {use}.",
    "[many people|most customers|some owners] use <it/them> for {use}.",
    "for {use}, {that} <is/are> [a good choice|hard to beat|just right].",
    "<it was/they were> designed with {use} in mind.",
  ),
  "feature": (
    "{ref} <has/have> {feature}, so {benefit}.",
    "thanks to {feature}, {benefit}.",
    "{benefit}, because {that} <has/have> {feature}.",
    "there is also {feature}: {benefit}.",
    "with {feature}, {that} <is/are> [a pleasure to use|easy to use], and {benefit}.",
    "one detail is {feature}, which means that {benefit}.",
  ),
  "audience": (
    "{ref} <is/are> [made|ideal|a good choice] for {audience}.",
    "{audience} [will like|like|are fond of] {that}.",
    "{that} <was/were> [designed|made] with {audience} in mind.",
    "it is above all {audience} who buy {that}.",
  ),
  "weight": (
    "{ref} <weighs/weigh> {weight}.",
    "the weight is {weight}[|, box included|, so <it is/they are> easy to carry].",
    "at {weight}, {that} <is/are> [neither heavy nor light|lighter than most|easy to handle].",
  ),
  "guarantee": (
    "the guarantee [lasts|runs] for {guarantee}.",
    "{ref} <comes/come> with a guarantee of {guarantee}.",
    "the maker [repairs|replaces] {that} free of charge for {guarantee}.",
  ),
  "town": (
    "every part is made in {town}.",
    "{ref} <is/are> [made|packed|put together] in {town}.",
    "the workshop is in {town}.",
  ),
  "delivery": (
    "delivery takes {delivery}.",
    "{ref} <arrives/arrive> within {delivery}.",
    "[orders|parcels] leave the store [at once|every morning] and arrive after {delivery}.",
  ),
  "price colour": (
    "{ref} <comes/come> in {colour} and <costs/cost> {price}.",
    "in {colour}, {that} <costs/cost> {price}.",
    "for {price}, {that} <is/are> available in {colour}.",
  ),
  "material colour": (
    "{ref} <is/are> made of {material} and <comes/come> in {colour}.",
    "the material is {material}, and the colour is {colour}.",
    "{ref} <combines/combine> {material} with a {colour} finish.",
  ),
  "maker price": (
    "{maker} sells {that} for {price}.",
    "{ref} <is/are> made by {maker} and <costs/cost> {price}.",
  ),
  "material feature": (
    "{ref} <is/are> made of {material} and <has/have> {feature}, so {benefit}.",
    "made of {material}, {that} <has/have> {feature}, and {benefit}.",
  ),
  "use audience": (
    "for {use}, {audience} [choose|prefer|like] {that}.",
    "{audience} use <it/them> for {use}.",
  ),
  "weight guarantee": (
    "{ref} <weighs/weigh> {weight} and <comes/come> with a guarantee of {guarantee}.",
  ),
  "town maker": (
    "{ref} <is/are> made by {maker} in {town}.",
    "{maker} is based in {town} and [makes|packs] every order by hand.",
  ),
  "closing": (
    "{ref} [<makes/make> a good present|<is/are> easy to care for|<needs/need> little care].",
    "spare parts are [easy to find|sold separately].",
    "[overall|all in all|in short], {that} <is/are> [good value|a sound choice|well made].",
    "a short manual is included.",
    "the box is made of [recycled paper|plain cardboard].",
  ),
}

WARM = {
  "opening": (
    "are you looking for {one}? Then {full} may be just right for you.",
    "say hello to {full}!",
    "your search is over: here <comes/come> {full}.",
    "make [life|every day|your day] a little easier with {full}.",
    "[discover|try|enjoy] {full}, [new in our shop|ready for you|made with you in mind].",
    "good things are simple, and so <is/are> {full}.",
    "treat yourself to {full}.",
  ),
  "maker": (
    "{maker} has thought of [everything|every detail] for you.",
    "<it comes/they come> to you from {maker}.",
    "you can trust {maker}[| to get it right], [today and tomorrow|as so many customers do].",
  ),
  "material": (
    "you will love the feel of {material}.",
    "we chose {material} because you deserve [the best|things that last].",
    "made of {material}, <it will/they will> stay with you for years.",
  ),
  "colour": (
    "choose <it/them> in {colour}[| and enjoy the view| and brighten your day].",
    "in {colour}, <it looks/they look> [lovely|great|wonderful] [in any light|wherever you are].",
    "our favourite colour this season is {colour}.",
  ),
  "price": (
    "all this is yours for [only|just] {price}.",
    "order today and pay [only|just] {price}.",
    "you get {that} for {price}[|, and not a cent more|, as long as stocks last].",
    "can you believe that <it costs/they cost> [only|just] {price}?",
  ),
  "use": (
    "you can use <it/them> for {use}[|, today or any other day].",
    "[perfect|wonderful|just right] for {use}[|, and for much more]!",
    "whether for {use} or as a present, <it is/they are> always welcome.",
  ),
  "feature": (
    "look at {the_feature}: {benefit}!",
    "you will enjoy {the_feature}, because {benefit}.",
    "we added {feature}, so {benefit}.",
    "and with {feature}, {benefit}.",
  ),
  "audience": (
    "we made <it/them> for {audience}[|, and for you].",
    "a [great|lovely|perfect] [gift|present] for {audience}!",
    "{audience} love <it/them>, and so will you.",
  ),
  "guarantee": (
    "you are on the safe side with our guarantee of {guarantee}.",
    "if anything breaks, we help you for {guarantee}.",
  ),
  "delivery": (
    "order now, and <it is/they are> at your door within {delivery}.",
    "you will not wait long: delivery takes {delivery}.",
  ),
  "price colour": (
    "get yours in {colour} for [only|just] {price}.",
    "[only|just] {price} for {one} in {colour}: what are you waiting for?",
  ),
  "material feature": ("{material} for long life, {feature} for comfort: {benefit}.",),
  "closing": (
    "you will [love|enjoy|treasure] <it/them>!",
    "why not [order today|try <it/them> now|bring one home]?",
    "[find <it/them>|see you] in our shop!",
    "we wish you [much|a lot of] [joy|fun] with <it/them>.",
    "[try <it/them> out|come by and see|take a look] today!",
  ),
}
