# SPDX-License-Identifier: Apache-2.0
"""The word banks of the grammar: what texts are about, and the slots of events.tsv."""

from typing import Final


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


PRODUCT: Final = _words(
    "phone, laptop, lamp, kettle, vacuum, camera, keyboard, printer, headset, tablet, watch, blender, toaster, chair, "
    "desk, mattress, pillow, backpack, jacket, shirt, pair of shoes, pair of jeans, umbrella, bike, scooter, drill, "
    "router, monitor, speaker, charger, toy, stroller, tent, razor, coffee machine, fridge, washing machine, fan, "
    "heater, couch, knife, pan, bottle, mouse, car, pen, game, app, tool, controller, toothbrush, rug, mirror, helmet"
)
PART: Final = _words(
    "battery, screen, cable, zipper, handle, lid, button, hinge, strap, motor, wheel, plug, speaker, camera, display, "
    "fan, case, lens, keyboard, sole, seam, remote, switch, pump, filter, blade, light, microphone, pedal, brake, "
    "cover, stand, leg, drawer, door, hose, valve, sensor, stitching, paint, lock, clasp, spring, sound, colour"
)
FILM: Final = _words(
    "film, movie, book, novel, show, series, episode, album, song, concert, play, game, documentary, sequel, story, "
    "season, musical, exhibition, podcast, poem, comic, thriller, comedy, drama, remake, cartoon"
)
FILM_PART: Final = _words(
    "plot, acting, ending, cast, script, dialogue, soundtrack, first act, second half, lead, direction, humour, pacing, "
    "camera work, music, characters, jokes, effects, writing, final scene, opening, villain, chorus, lyrics, level design"
)
FOOD: Final = _words(
    "soup, pizza, burger, steak, pasta, salad, coffee, tea, cake, bread, curry, sushi, rice, fish, chicken, dessert, "
    "breakfast, lunch, dinner, sandwich, omelette, pie, stew, sauce, beer, wine, ice cream, noodles, taco, cheese, "
    "chocolate, fries, dumplings, croissant, lasagne, porridge, juice, lamb, risotto, cookies, meal, food, menu"
)
PLACE: Final = _words(
    "hotel, restaurant, cafe, bar, shop, museum, hostel, apartment, room, resort, campsite, airport, station, library, "
    "gym, bakery, pub, theatre, cinema, park, beach, town, village, clinic, hospital, school, office, market, salon, "
    "garage, store, place, diner, flat, zoo, garden, pool, spa"
)
SERVICE: Final = _words(
    "service, support, delivery, help desk, hotline, staff, team, website, checkout, booking, airline, bank, course, "
    "lecture, workshop, tour, flight, trip, ride, repair, return process, insurance, subscription, update, customer "
    "service, warranty, cleaning, course material, documentation, release, interface, api, installer, meeting, job, "
    "class, commute, training, policy, contract, advice, treatment, exam, appointment, presentation, project"
)
STAFF: Final = _words(
    "staff, waiter, waitress, manager, driver, nurse, doctor, clerk, receptionist, chef, guide, teacher, mechanic, "
    "cashier, barista, technician, seller, agent, landlord, host, instructor, crew, owner, dentist, plumber, bartender, "
    "coach, pilot, security guard, trainer, flight attendant, personnel, people, team"
)
PERSON: Final = _words(
    "mother, father, sister, brother, son, daughter, wife, husband, girlfriend, boyfriend, friend, best friend, boss, "
    "colleague, neighbour, neighbor, grandmother, grandfather, aunt, uncle, cousin, teacher, roommate, partner, mum, dad, "
    "niece, nephew, mom, grandma, kid, team"
)
NAME: Final = _words(
    "anna, ben, carla, david, emma, fatima, george, hannah, ivan, julia, kofi, laura, miguel, nina, omar, priya, quentin, "
    "rosa, sam, tomas, uma, victor, wendy, yuki, zoe, mr brown, mrs lee, dr patel, london, paris, berlin, tokyo"
)
DAY: Final = _words(
    "monday, tuesday, wednesday, thursday, friday, saturday, sunday, january, march, june, october, last week, yesterday, "
    "this morning, last night"
)
SPAN_SHORT: Final = _words(
    "five minutes, ten minutes, a few minutes, a minute, two minutes, twenty minutes, half an hour, 5 minutes, 15 minutes"
)
SPAN: Final = _words(
    "two days, three days, a week, two weeks, a month, two months, three months, a few days, a day, an hour, six weeks, "
    "10 days, a single wash, one use, a fortnight, four uses, half a year, a couple of weeks"
)
SPAN_LONG: Final = _words(
    "an hour, two hours, over an hour, forty minutes, 45 minutes, three hours, half the night, ages, the whole day, "
    "six hours, almost two hours, the entire afternoon, 90 minutes, forever"
)
SPAN_YEARS: Final = _words(
    "five years, ten years, three years, all these years, two winters, a decade, years of use, 8 years, a hundred washes"
)
DO: Final = _words(
    "open a file, take a picture, save, press play, open it, use the camera, join a call, print, scroll, log in, search, "
    "type, send a message, plug it in"
)
HAD: Final = _words("had, seen, bought, read, been to, tried, used, eaten, owned, worked with, visited, played")
THING_SMALL: Final = _words(
    "keys, bag, passport, water, parking, breakfast, towels, ticket, wallet, order, glasses, the minibar, extra cheese, a form"
)

TOPICS: Final[dict[str, list[str]]] = {
    "product": PRODUCT,
    "part": PART,
    "film": FILM,
    "film_part": FILM_PART,
    "food": FOOD,
    "place": PLACE,
    "service": SERVICE,
    "staff": STAFF,
    "person": PERSON,
}
PLURALS: Final = {
    "people", "noodles", "fries", "dumplings", "cookies", "characters", "jokes", "effects", "lyrics", "headphones",
}  # fmt: skip

SLOTS: Final[dict[str, list[str]]] = {
    "product": PRODUCT,
    "part": PART,
    "film": FILM,
    "food": FOOD,
    "place": PLACE,
    "staff": STAFF,
    "person": PERSON,
    "name": NAME,
    "day": DAY,
    "span": SPAN,
    "span_short": SPAN_SHORT,
    "span_long": SPAN_LONG,
    "span_years": SPAN_YEARS,
    "do": DO,
    "had": HAD,
    "thing_small": THING_SMALL,
    "any": PRODUCT + FILM + PLACE + FOOD,
    "them": ["them", "this company", "this shop", "this airline", "this hotel", "this place", "these people", "this seller"],
}

# Adjectives that fit things, places, works, food and services. Valences come from the lexicon.
GOOD_ADJECTIVES: Final = _words(
    "good, great, nice, excellent, amazing, awesome, fantastic, wonderful, lovely, perfect, beautiful, brilliant, superb, "
    "fine, impressive, enjoyable, pleasant, fun, funny, charming, delightful, interesting, useful, helpful, comfortable, "
    "clean, fresh, solid, reliable, elegant, fabulous, terrific, outstanding, exceptional, magnificent, marvelous, "
    "remarkable, satisfying, refreshing, entertaining, clever, smart, inspiring, exciting, thrilling, cheerful, cute, sweet, "
    "warm, friendly, welcoming, generous, honest, fair, safe, cool, glorious, splendid, admirable, adorable, attractive, "
    "creative, original, worthy, valuable, beneficial, successful, strong, popular, favorite, magical, memorable, stunning, "
    "gorgeous, delicious, tasty, yummy, gripping, riveting, hilarious, witty, heartwarming, cozy, crisp, juicy, sturdy, "
    "intuitive, responsive, effortless, seamless, durable, affordable, convenient, practical, smooth, stylish, accurate, "
    "fast, quick, quiet, spacious, well-made, well-written, polished, top-notch, first-rate, flawless, spotless, versatile, "
    "relaxing, peaceful, romantic, hopeful, positive, promising, rewarding, decent, okay, phenomenal, unforgettable, "
    "breathtaking, happy, rich, bright, light, tender, handy, tidy, clear, better, best"
)
BAD_ADJECTIVES: Final = _words(
    "bad, awful, terrible, horrible, poor, disappointing, boring, dull, ugly, useless, annoying, disgusting, dreadful, nasty, "
    "pathetic, lousy, worthless, ridiculous, stupid, dumb, lame, weak, sad, depressing, frustrating, irritating, confusing, "
    "painful, unpleasant, dirty, broken, faulty, defective, dangerous, unsafe, dishonest, unfair, rude, unfriendly, hostile, "
    "cold, miserable, tragic, horrid, appalling, atrocious, hideous, gross, repulsive, offensive, shameful, embarrassing, "
    "tiresome, tedious, bland, stale, soggy, greasy, flimsy, buggy, slow, sluggish, laggy, noisy, cramped, overpriced, "
    "expensive, unreliable, unusable, uncomfortable, inedible, tasteless, overrated, predictable, forgettable, "
    "pretentious, shallow, clunky, sloppy, shoddy, mediocre, underwhelming, filthy, smelly, stuffy, abysmal, unbearable, "
    "unacceptable, messy, chaotic, ineffective, inferior, insulting, scary, creepy, weird, crappy, sick, risky, negative, "
    "problematic, troublesome, unsatisfying, dismal, bleak, gloomy, harsh, misleading, deceptive, outrageous, careless, "
    "incompetent, unprofessional, unhelpful, inconsistent, outdated, clumsy, rotten, toxic, worse, worst, cheap, wrong, "
    "difficult, hard, complicated, late, dry, burnt, bitter, tough, fake, rushed, convoluted"
)
GOOD_PEOPLE: Final = _words(
    "kind, friendly, helpful, polite, nice, great, patient, attentive, caring, cheerful, honest, generous, courteous, "
    "professional, lovely, brilliant, amazing, wonderful, sweet, funny, charming, smart, thoughtful, gentle, warm, "
    "competent, knowledgeable, welcoming, trustworthy, considerate, gracious, good, fantastic, excellent, understanding, "
    "supportive, happy, fair, respectful, loyal, brave, talented, prompt, reliable, responsive, efficient, compassionate"
)
BAD_PEOPLE: Final = _words(
    "rude, unfriendly, lazy, arrogant, incompetent, mean, dishonest, hostile, unhelpful, impatient, careless, grumpy, "
    "aggressive, clueless, stupid, ignorant, nasty, awful, terrible, horrible, selfish, cruel, cold, dismissive, "
    "unprofessional, disrespectful, greedy, obnoxious, annoying, cynical, bad, useless, inattentive, condescending, abusive, "
    "bitter, angry, indifferent, sloppy, slow, pathetic, vicious, corrupt, disgusting, insulting, unreliable, irresponsible"
)
GOOD_FEELINGS: Final = _words(
    "happy, glad, pleased, delighted, thrilled, satisfied, impressed, excited, grateful, thankful, proud, relieved, amazed, "
    "content, comfortable, safe, calm, hopeful, lucky, blessed, confident, cheerful, joyful, amused, enthusiastic, optimistic, "
    "relaxed, welcome, inspired, honored, ecstatic, overjoyed, loved, fortunate, better, fine, great, good"
)
BAD_FEELINGS: Final = _words(
    "unhappy, sad, angry, disappointed, upset, annoyed, frustrated, furious, bored, tired, scared, worried, disgusted, "
    "embarrassed, ashamed, lonely, depressed, miserable, anxious, nervous, confused, hurt, betrayed, cheated, robbed, ignored, "
    "insulted, hopeless, devastated, heartbroken, irritated, exhausted, shocked, afraid, sick, uneasy, helpless, guilty, "
    "stressed, outraged, let down, dissatisfied, uncomfortable, horrible, terrible, awful, bad, worse, unsafe"
)
# Verbs as (base, third person, past).
GOOD_VERBS: Final = [
    ("like", "likes", "liked"), ("love", "loves", "loved"), ("enjoy", "enjoys", "enjoyed"),
    ("adore", "adores", "adored"), ("appreciate", "appreciates", "appreciated"), ("admire", "admires", "admired"),
    ("recommend", "recommends", "recommended"), ("trust", "trusts", "trusted"), ("respect", "respects", "respected"),
    ("praise", "praises", "praised"), ("cherish", "cherishes", "cherished"), ("treasure", "treasures", "treasured"),
]  # fmt: skip
BAD_VERBS: Final = [
    ("hate", "hates", "hated"), ("dislike", "dislikes", "disliked"), ("regret", "regrets", "regretted"),
    ("despise", "despises", "despised"), ("loathe", "loathes", "loathed"), ("resent", "resents", "resented"),
    ("fear", "fears", "feared"), ("dread", "dreads", "dreaded"), ("detest", "detests", "detested"),
]  # fmt: skip
# Verbs with a thing as the subject: (base, third person, past, -ing).
GOOD_EFFECTS: Final = [
    ("impress", "impresses", "impressed", "impressing"), ("please", "pleases", "pleased", "pleasing"),
    ("delight", "delights", "delighted", "delighting"), ("amaze", "amazes", "amazed", "amazing"),
    ("help", "helps", "helped", "helping"), ("inspire", "inspires", "inspired", "inspiring"),
    ("satisfy", "satisfies", "satisfied", "satisfying"), ("entertain", "entertains", "entertained", "entertaining"),
    ("excite", "excites", "excited", "exciting"),
    ("comfort", "comforts", "comforted", "comforting"), ("amuse", "amuses", "amused", "amusing"),
    ("thrill", "thrills", "thrilled", "thrilling"), ("charm", "charms", "charmed", "charming"),
]  # fmt: skip
BAD_EFFECTS: Final = [
    ("disappoint", "disappoints", "disappointed", "disappointing"), ("annoy", "annoys", "annoyed", "annoying"),
    ("bore", "bores", "bored", "boring"), ("frustrate", "frustrates", "frustrated", "frustrating"),
    ("irritate", "irritates", "irritated", "irritating"), ("hurt", "hurts", "hurt", "hurting"),
    ("upset", "upsets", "upset", "upsetting"), ("fail", "fails", "failed", "failing"),
    ("confuse", "confuses", "confused", "confusing"), ("disgust", "disgusts", "disgusted", "disgusting"),
    ("scare", "scares", "scared", "scaring"), ("offend", "offends", "offended", "offending"),
    ("depress", "depresses", "depressed", "depressing"), ("insult", "insults", "insulted", "insulting"),
]  # fmt: skip
GOOD_NOUNS: Final = _words(
    "joy, charm, warmth, fun, humour, humor, beauty, love, hope, comfort, elegance, creativity, value, care, kindness, talent, "
    "grace, respect, clarity, energy, style, happiness, trust, honesty, passion, excitement, strength, satisfaction, success, "
    "delight, pleasure, courage, wit, generosity, sense, originality, quality, taste, flavour, depth, soul, heart"
)
BAD_NOUNS: Final = _words(
    "trouble, problems, stress, pain, errors, complaints, damage, fear, doubt, conflict, disappointment, delays, failures, "
    "frustration, mistakes, anger, lies, tears, regret, shame, confusion, disputes, risk, panic, chaos, violence, hate, "
    "boredom, drama, noise, nonsense, misery, worries, crashes, bugs, hassle, fuss, issues, defects, flaws, harm, suffering"
)
GOOD_COUNTABLES: Final = _words(
    "success, triumph, pleasure, joy, delight, treat, win, winner, masterpiece, treasure, blessing, miracle, relief, gift, "
    "bargain, gem, surprise, hit, victory, improvement, good idea, great experience, good job, nice touch, good deal, "
    "wonderful time, great choice, good reason, great evening"
)
BAD_COUNTABLES: Final = _words(
    "failure, disaster, mess, disgrace, nightmare, shame, joke, mistake, problem, disappointment, insult, scam, tragedy, "
    "rip-off, catastrophe, waste, pain, bore, flop, fraud, scandal, loss, letdown, horror, bad idea, bad joke, bad dream, "
    "bad experience, poor choice, bad deal, terrible time, sad sight, threat, burden, danger"
)

INTENSIFIERS: Final = _words(
    "very, really, so, extremely, incredibly, absolutely, totally, truly, super, remarkably, particularly, especially, "
    "exceptionally, pretty, quite, utterly, completely, unbelievably, just, surprisingly, genuinely, consistently, "
    "ridiculously, insanely, deeply, thoroughly, positively, damn, bloody, most"
)
DAMPENERS: Final = _words("slightly, somewhat, a bit, a little, kind of, sort of, rather, fairly, kinda, mildly, marginally")
DEGREES: Final = _words(
    "very, really, that, all that, particularly, especially, so, exactly, terribly, what I would call, what you would call, "
    "even remotely, at all, in any way, overly, too, nearly as, half as, remotely, even, quite"
)
OPENERS: Final = _words(
    "honestly, frankly, well, to be honest, in short, all in all, overall, in my opinion, I must say, so far, anyway, look, "
    "ok so, update:, first of all, as usual, this time, once again, guys, for the record, in the end, sadly, luckily, "
    "unfortunately, happily, tbh, imo, seriously, wow, ugh, hmm, yes, no, oh, hey, omg, lol, yay"
)
CLOSERS: Final = _words(
    "to be honest, in my opinion, for the price, overall, if you ask me, so far, this time, as always, again, I think, "
    "though, actually, really, by the way, all things considered, in the end, at least, and that is that, as usual, "
    "as far as I can tell, tbh, imo, lol, honestly, anyway, that's all, period, for me, for us, for once, today"
)
EMOTICONS: Final = _words(
    ":), :-), :D, :-D, ;), ;-), :P, :p, <3, =), =D, xD, XD, ^_^, :(, :-(, :'(, :/, :-/, :|, >:(, :[, D:, =(, </3, :o, :*, ;(, ):"
)
EMOJIS: Final = (
    "😀 😃 😄 😁 😆 😅 😂 🤣 😊 😇 🙂 😉 😍 🥰 😘 😋 😜 🤗 🤔 😐 😑 😏 😒 🙄 😬 😌 😔 😴 😷 🤢 🤮 😵 🤯 😎 😕 😟 🙁 😮 😲 😳 🥺 😦 "
    "😨 😰 😢 😭 😱 😖 😞 😓 😩 😫 😤 😡 😠 🤬 💀 💩 🤡 👍 👎 👌 👏 🙌 🙏 💪 ❤ 💔 💕 💖 💯 🔥 ✨ ⭐ 🌟 🎉 🎊 🌈 ☀ 🌧 🍕 ☕ 🚀 💸 🐛 ✅ ❌ ⚠ 🏆 🎁 🌹 🍀"
).split()

NEUTRAL_PATTERNS: Final = [
    "the [meeting|train|class|film|bus|delivery|talk|course|shop|game] [is at|starts at|ends at|opens at|begins at] {number} [pm|am|o'clock|]",
    "we [met|left|arrived|ate|moved|drove|walked|called] [on {day}|at {number}|in {name}|with {name}|to the {place}|by train]",
    "the {product} [is|was] [on the table|made of {rare}|sold in {number} sizes|made in {name}|in the box|{number} cm long]",
    "[he|she|my {person}|{name}] [lives in|works at|went to|came from|drove to|is at] [the {place}|{name}|a {place}]",
    "I [bought|ordered|read|saw|used|rented|borrowed|opened|watched|got] [the {any}|this {any}|a {any}] [on {day}|for my {person}|in {name}|last year|online|]",
    "[it|the {any}|this {any}] [comes with|has|contains|includes|needs] [{number} {rares}|a {part}|a {rare}|two parts]",
    "[does|did] [it|this {any}|the {product}] [come with|need|have|include] a [{rare}|{part}|manual|receipt]?",
    "[where|when|how] [can I|do you|did they|should we] [buy|find|open|send|order|change|see] the {any}?",
    "what [time|day|size|colour] is the {any}?",
    "the [report|file|page|form|list|letter|column|table|map] [has|lists|shows|needs] {number} {rares}",
    "please [send|open|print|sign|read|attach|close|move] the {rare} [by {day}|before {day}|today|in the {place}|]",
    "[turn left|turn right|go straight|stop] at the {place}",
    "the {rare} [and|or] the {rare} [are|were] [in|near|behind|above] the {rare}",
    "[my|our|the] {person} [asked|wrote|called|came] [about the {rare}|on {day}|from the {place}|twice]",
    "{number} {rares}, {number} {rares} and a {rare}",
    "the {place} is [next to|behind|near|across from] the {place}",
    "this is a [{product}|{film}|{food}|{rare}]",
    "I am [at|in|near|from] [the {place}|{name}]",
    "the [red|blue|green|black|white|second|third|left|upper] {any} [is mine|is new|costs {number} euros|has a {part}]",
    "{rare} {rare} {rare}",
]
CONTEXT_PATTERNS: Final = [
    "[I|we] [bought|ordered|got|tried|visited|used|saw|read|went to] [this|it|the {any}|a {any}] [on {day}|for {span}|with my {person}|in {name}|last year|for the {rare}|]",
    "[my|our] {person} [gave|lent|showed|sold] it to [me|us]",
    "[we|I] [went|came|stayed] there [on {day}|with my {person}|for {span}|in the spring|]",
    "I [have had|have used|have owned] it for {span}",
    "the {rare} was [on the left|from {name}|in the {place}]",
    "this was our [first|second|third] time [there|in {name}|with the {rare}]",
    "[it was|it is] {day}",
    "I am a {rare} from {name}",
]
