"""Sentences about events, by what they speak of, in two registers.

An event is priced or free: `price_line` in the facts says which in a sentence of its own.
"""

PLAIN = {
  "opening": (
    "{full} is [coming up|open to everyone|back again].",
    "{name} is a {kind} for everyone who wants to {activity}.",
    "everyone who wants to {activity} is invited to {full}.",
    "this year's {kind} is called {name}.",
    "a {kind} with the name {name} has been announced.",
  ),
  "date": (
    "{ref} takes place on {date}.",
    "the date is {date}.",
    "[visitors|guests] are asked to keep {date} free.",
  ),
  "start": (
    "{ref} [starts|begins] at {start}.",
    "doors open at {start}.",
    "the programme begins at {start}[| on time].",
  ),
  "venue": (
    "the venue is {venue}.",
    "{ref} takes place at {venue}.",
    "guests meet at {venue}[|, in front of the main door|, on the ground floor].",
  ),
  "area": (
    "the place is easy to reach, as it lies in {area}.",
    "{ref} will be held in {area}.",
    "[visitors|guests] should come to {area}.",
  ),
  "price": ("{price_line}",),
  "host": (
    "{ref} is [organised|hosted|led] by {host}.",
    "the host is {host}.",
    "{host} invites everyone to take part.",
  ),
  "people": (
    "{ref} is meant for {people}.",
    "{people} are [especially|very] welcome.",
    "the organisers hope that many {people} will come.",
  ),
  "bring": (
    "please bring {bring}.",
    "guests should bring {bring}.",
    "[it is a good idea|it helps] to bring {bring}.",
  ),
  "seats": (
    "there is room for {seats} people.",
    "only {seats} [places|seats] are available[|, so early booking is wise].",
    "the number of guests is limited to {seats}.",
  ),
  "date start": (
    "{ref} takes place on {date} at {start}.",
    "on {date}, {that} [starts|begins] at {start}.",
    "the doors open on {date} at {start}.",
  ),
  "venue area": (
    "{ref} takes place at {venue} in {area}.",
    "the venue is {venue}, which lies in {area}.",
  ),
  "date venue": (
    "on {date}, guests meet at {venue}.",
    "{ref} will be held at {venue} on {date}.",
  ),
  "host people": (
    "{ref} is hosted by {host} and meant for {people}.",
    "{host} would like to see many {people} there.",
  ),
  "closing": (
    "if it rains, {that} moves to {rain}.",
    "[drinks|coffee and cake|small snacks] will be sold[| at fair prices].",
    "dogs have to stay at home.",
    "[children need to come with an adult|all ages are welcome].",
    "questions are answered [by {person}|at the desk|by the town hall].",
  ),
}

WARM = {
  "opening": (
    "[mark your calendar|save the date|good news]: {full} is coming!",
    "do you want to {activity}? Then join us at {full}!",
    "come and {activity} with us at {full}.",
    "you are invited to {full}!",
    "who is ready to {activity}? {full} is waiting for you.",
  ),
  "date": (
    "join us on {date}.",
    "see you on {date}!",
  ),
  "start": (
    "we [start|begin] at {start}[| sharp].",
    "be there at {start}, and stay as long as you like.",
  ),
  "venue": (
    "we meet at {venue}.",
    "come to {venue} and [find a good seat|say hello].",
  ),
  "area": (
    "it all happens in {area}.",
    "our meeting point is in {area}.",
  ),
  "price": ("{price_line_warm}",),
  "host": (
    "your host is {host}.",
    "{host} will [show you how it is done|take good care of you].",
  ),
  "people": (
    "we welcome {people} and everyone else.",
    "perfect for {people}!",
  ),
  "bring": (
    "do not forget {bring}.",
    "just bring {bring} and a good mood.",
  ),
  "seats": (
    "hurry: there are only {seats} [places|seats].",
    "we have room for {seats} people, and one of them could be you.",
  ),
  "date start": (
    "see you on {date} at {start}!",
    "on {date} at {start}, the fun begins.",
  ),
  "venue area": ("we meet at {venue} in {area}.",),
  "closing": (
    "tell your friends!",
    "we look forward to seeing you.",
    "book today, before all places are gone.",
    "it will be [great|fun|a day to remember].",
  ),
}
