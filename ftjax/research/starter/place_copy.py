"""Sentences about places, by what they speak of, in two registers."""

PLAIN = {
  "opening": (
    "{name} is a {kind}.",
    "{name} is a [popular|well-known|small|pleasant|local] {kind}.",
    "there is a {kind} called {name}.",
    "[visitors|people] who want to {activity} can go to {name}, a [local|popular] {kind}.",
    "a [good|pleasant] place to {activity} is the {kind} called {name}.",
    "{name} is [open to everyone|a place for people] who [want|would like] to {activity}.",
  ),
  "area": (
    "{ref} [is|lies|can be found] in {area}.",
    "you [find|will find] {that} in {area}.",
    "its home is {area}.",
    "people in {area} know {that} well.",
  ),
  "landmark": (
    "{ref} is [near|close to|next to|opposite|not far from] {landmark}.",
    "from {landmark}, it is [only |]a short walk.",
    "look for {landmark}: {that} is [next to it|close by|right behind it].",
  ),
  "address": (
    "the address is {address}.",
    "{ref} stands at {address}.",
    "visitors should come to {address}.",
  ),
  "mood": (
    "the [atmosphere|mood] is {mood}.",
    "guests [describe|praise] it as {mood}.",
    "{ref} is {mood}[| in every way| from morning till night].",
    "inside, everything is {mood}.",
  ),
  "known": (
    "{ref} is [known|famous|popular|loved] for {known}.",
    "{known} are [the main attraction|what most visitors come for|its speciality].",
    "most [people|guests] come for {known}.",
    "there are {known}, and [everyone|every guest] likes them.",
  ),
  "amount": (
    "there are {amount} {counted}[| in all| on two floors].",
    "{ref} has {amount} {counted}.",
    "with {amount} {counted}, {that} is [larger than it looks|neither large nor small].",
  ),
  "extra": (
    "there is also {extra}.",
    "{ref} also has {extra}.",
    "guests [like|can also use|often mention] {extra}.",
  ),
  "hours": (
    "{ref} is open from {open} to {close}[|, except on {closed}].",
    "the doors open at {open} and close at {close}.",
    "opening hours are from {open} to {close}[| every day].",
  ),
  "owner": (
    "{ref} is run by {owner}.",
    "{owner} [owns|runs|looks after] {that}[|, together with two friends|, as a family business].",
    "the owner is {owner}.",
  ),
  "opened": (
    "{ref} [opened|was founded|was built] in {opened}.",
    "{ref} has been here since {opened}.",
    "the [house|building] dates from {opened}.",
  ),
  "price": (
    "[a visit|an average visit] costs {price}[| per person].",
    "prices start at {price}.",
    "expect to pay about {price}[| per person| for two].",
  ),
  "audience": (
    "{ref} is [good|suitable|ideal] for {audience}.",
    "{audience} [feel welcome here|are welcome|come here often].",
    "it is a good place for {audience}.",
  ),
  "rating": (
    "guests give it {rating} out of five stars.",
    "its rating is {rating} out of five.",
  ),
  "area landmark": (
    "{ref} is in {area}, [near|close to|next to|opposite] {landmark}.",
    "located in {area}, {that} is [near|close to] {landmark}.",
  ),
  "known price": ("{ref} offers {known}, and prices start at {price}.",),
  "owner opened": (
    "{owner} [opened|founded] {that} in {opened}.",
    "opened in {opened}, {that} is run by {owner}.",
  ),
  "known mood": (
    "{ref} is known for {known} and for its {mood} atmosphere.",
    "people come for {known} and stay for the {mood} atmosphere.",
  ),
  "audience rating": ("{ref} is good for {audience} and has {rating} out of five stars.",),
  "area known": (
    "in {area}, {that} is the best address for {known}.",
    "{ref} is in {area} and is known for {known}.",
  ),
  "closing": (
    "bus {bus} stops outside.",
    "dogs are [welcome|allowed on a lead|not allowed].",
    "[cards are accepted|guests may pay by card|only cash is accepted].",
    "[it is wise to book early|no booking is needed|groups should call ahead].",
    "the entrance has no steps.",
    "it is worth a [visit|detour].",
  ),
}

WARM = {
  "opening": (
    "welcome to {name}, your {kind}!",
    "do you want to {activity}? Then come to {name}, the {kind} [for you|we all love].",
    "[hungry for something new|tired of the usual]? Visit {name}, a {kind} with a heart.",
    "there is no better {kind} than {name}!",
    "take a break at {name}, the {kind} where you can {activity}.",
  ),
  "area": (
    "you find us in {area}.",
    "we are waiting for you in {area}.",
    "come to {area} and see for yourself.",
  ),
  "landmark": (
    "we are [right next to|just round the corner from|a few steps from] {landmark}.",
    "come to {landmark}, look around, and you will see us.",
  ),
  "mood": (
    "you will feel at home in our {mood} {kind}.",
    "it is [always|so] {mood} here.",
    "enjoy the {mood} atmosphere.",
  ),
  "known": (
    "our {known} are [famous|not to be missed|the talk of the town].",
    "you must not miss our {known}.",
    "we are proud of our {known}.",
  ),
  "amount": (
    "choose from {amount} {counted}.",
    "we have {amount} {counted}[| in all| for you to discover].",
  ),
  "extra": (
    "and do not forget: we also have {extra}.",
    "you can also enjoy {extra}.",
  ),
  "hours": (
    "our doors are open from {open} to {close}.",
    "drop in at any time between {open} and {close}.",
  ),
  "owner": (
    "{owner} and the team look forward to seeing you.",
    "ask for {owner}, who knows every guest by name.",
  ),
  "opened": (
    "we have been here for you since {opened}.",
    "since {opened}, guests have come back again and again.",
  ),
  "price": (
    "all this starts at [only|just] {price}.",
    "for [only|just] {price}, you can stay as long as you like.",
  ),
  "audience": (
    "we love {audience}, and {audience} love us.",
    "bring your friends: {audience} are always welcome.",
  ),
  "area landmark": ("you find us in {area}, close to {landmark}.",),
  "closing": (
    "see you soon!",
    "come [in|by] and stay a while.",
    "we look forward to your visit.",
    "ask us if you need anything.",
  ),
}
