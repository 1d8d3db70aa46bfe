import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.errors import SettingsError
from realtime_nb.speech.words import (
    WordMatch,
    align,
    character_error_rate,
    count_errors,
    error_rates,
    word_error_rate,
)

#: The same words, said | written otherwise.
SAME = [
    line.strip().split("|")
    for line in """
    one two three four|1, 2, 3, 4.
    one two three four|1234
    two plus three|2 + 3
    two plus three equals five|2+3=5
    two plus three is five|2 + 3 = 5
    minus five|-5
    it is minus five degrees|It's -5 degrees.
    three thirty|3:30
    half past three|3:30
    half past three p.m.|3:30 pm
    half past three|15:30
    quarter to four|3:45
    a quarter to four|3:45
    quarter of four|3:45
    quarter past four|4:15
    a quarter till one|12:45
    ten past five|5:10
    ten after five pm|5.10 pm
    twenty to six|5:40
    twenty-five minutes past two|2:25
    twelve minutes to one|12:48
    five to midnight or half past ten|five to midnight or 10:30
    at three thirty p.m.|at 3:30 PM
    cannot|can't
    cannot|can not
    I'm fine|I am fine
    won't|will not
    twenty twenty six|2026
    two thousand twenty six|2026
    two thousand and twenty-six|2026
    nineteen eighty four|1984
    nineteen eighty-four|1984.
    first|1st
    twenty-first|21st
    the twenty first of may|the 21st of May
    oh five|05
    five five five oh one two three|555-0123
    five five five, zero one two three|(555) 0123
    five five five one two three four five six seven|(555) 123-4567
    plus one five five five one two three four five six seven|+1 (555) 123-4567
    three point one four|3.14
    one half|1/2
    half|½
    a half|1/2
    two thirds|2/3
    three quarters|3/4
    three fourths|¾
    five dollars|$5
    five dollars and fifty cents|$5.50
    five fifty|$5.50
    five dollars fifty|$5.50
    five dollars fifty cents|$5.50
    five dollars and five cents|$5.05
    three pounds|£3
    one dollar|$1
    ten euros|€10
    ten euros|10€
    twenty yen|¥20
    one thousand|1,000
    a thousand|1,000
    a hundred|100
    one point five million|1.5 million
    one point five million dollars|$1.5 million
    two million|2,000,000
    hundred and five|105
    one hundred five|105
    mister smith|Mr. Smith
    doctor jones|Dr. Jones
    main street|Main St.
    main st|Main Street
    saint louis|St. Louis
    okay|OK
    okay|O.K.
    email|e-mail
    e mail|E-Mail
    you and me|you & me
    five kilometers|5 km
    five kilometres|5km
    five kilograms|5kg
    one kilometer|1 km
    twenty dollars|20 USD
    twenty dollars|USD 20
    twenty dollars|USD20
    twenty us dollars|USD 20
    twenty us dollars|US$20
    twenty canadian dollars|CAD 20
    twenty australian dollars|A$20
    usd twenty|USD 20
    $20|USD 20
    20 USD|USD 20
    20 dollars|USD 20.00
    three million pounds|GBP 3 million
    five euros fifty|EUR 5.50
    two billion dollars|USD 2bn
    five to ten dollars|$5-10
    five to ten dollars|$5–$10
    five dollars to ten dollars|$5-$10
    five to ten dollars|USD 5-10
    five to ten dollars|5-10 USD
    minus twenty dollars|-20 USD
    twenty million dollars|20 million USD
    twenty million euros|20m€
    five to ten million euros|€5-10 million
    twenty usd|20 USD
    one euro and fifty cents|1.50 EUR
    the usd account|the USD account
    twenty seconds|20 s
    one second|1 s
    model three s|model 3 s
    colour|color
    well-known|well known
    ten oh five|10:05
    ten o five|10:05
    three o'clock|3:00
    three o'clock|3 o’clock
    three|3:00
    three p.m.|3 pm
    three p m|3 p.m.
    ten percent|10%
    ten per cent|10 percent
    ten divided by two|10 / 2
    ten divided by two is five|10/2 = 5
    six times seven|6 × 7
    six times seven|6 x 7
    six times seven|6*7
    five minus three|5 - 3
    seven minus two equals five|7 − 2 = 5
    negative five|-5
    twenty four seven|24/7
    nine eleven|9/11
    he's taken it|he has taken it
    he's been|he has been
    he's here|he is here
    I'd better go|I had better go
    I'd like|I would like
    let's go|let us go
    they're|they are
    don't you|do not you
    the sixties|the 60s
    nineteen sixties|1960s
    double oh seven|007
    one oh one|101
    u s a|U.S.A.
    fbi|F.B.I.
    f b i|FBI
    two and a half|2.5
    two and a half|2 1/2
    two and a half hours|2½ hours
    two and a half million|2.5 million
    zero point five|0.5
    point five|0.5
    oh point five|0.5
    ten to fifteen|10-15
    ten to fifteen minutes|10–15 minutes
    twenty degrees celsius|20°C
    twenty degrees|20°
    sixty miles per hour|60 mph
    sixty miles an hour|60 mph
    example dot com|example.com
    july fourth|July 4
    july four|July 4
    twenty six|20, 6
    one hundred twenty three thousand four hundred fifty six|123,456
    twelve thirty four|1234
    number five|No. 5
    number five|#5
    a b c|ABC
    five thousand|5,000
    fifteen hundred|1500
    seventeen seventy six|1776
    nineteen hundred|1900
    nineteen oh five|1905
    two thousand and one|2001
    i have twenty dollars|I have $20.
    version three point eleven|version 3.11
    one hundred and first|101st
    five million three hundred thousand|5.3 million
    five hundred thousand|500,000
    zero|0
    nought point two|0.2
    six foot two|6 ft 2
    ten k|10K
    ten thousand dollars|$10k
    bus number forty two|bus number 42
    three in the morning|3 in the morning
    one two three|123
    oh one two|012
    gonna|going to
    it's five past ten|it is 5 past 10
    two to one|2:1
    one hundred percent|100%
    naïve café|naive cafe
    eleven twenty-eight twenty twenty-six|11/28/2026
    november twenty eighth twenty twenty six|November 28, 2026
    between one hundred and one hundred fifty|between 100 and 150
    room one oh one|Room 101
    forty-two|42
    ninety nine point nine percent|99.9%
    five dollars and ninety nine cents|$5.99
    ninety nine cents|$0.99
    ninety nine cents|99¢
    um yes|yes
    one hundred thousand dollars|$100,000
    one million|1M
    one hundred and twenty|120
    eight hundred five five five one two one two|800-555-1212
    the second one|the 2nd one
    twenty second|22nd
    twelve hundred dollars|$1,200
    one thousand two hundred thirty four dollars and fifty six cents|$1,234.56
    one third cup|1/3 cup
    ten a.m.|10 am
    ten a m|10 a.m.
    twelve thirty p.m.|12:30pm
    seven oh five a.m.|7:05 a.m.
    you've|you have
    I'll|I will
    could've|could have
    missus smith|Mrs. Smith
    professor smith|Prof. Smith
    two times three|2 x 3
    two plus three times four|(2 + 3) * 4
    three million dollars|$3M
    two point five billion euros|€2.5bn
    the nineties|the '90s
    the nineteen nineties|the 1990s
    three year old|3-year-old
    three-year-old|3 year old
    fifty fifty|50-50
    nine one one|911
    four by four|4x4
    covid nineteen|COVID-19
    route sixty six|Route 66
    seven forty seven|747
    three million two hundred thousand|3,200,000
    one and a half|1½
    one and a half|1.5
    triple five|555
    ten thousand|10 000
    one million|1 000 000
    three point zero|3.0
    three point oh five|3.05
    minus two point five|-2.5
    plus or minus five|±5
    wifi|Wi-Fi
    wi fi|Wi-Fi
    ice cream|ice-cream
    good bye|good-bye
    goodbye|good-bye
    cooperate|co-operate
    twenty-five to thirty|25-30
    five to seven people|5-7 people
    chapter three verse sixteen|chapter 3 verse 16
    three sixteen|3:16
    fifteen hundred|15:00
    zero point zero one|0.01
    a dollar|$1
    a dollar fifty|$1.50
    one fifty|$1.50
    one dollar and twenty five cents|$1.25
    twenty first century|21st century
    the twenty-second of june two thousand and five|the 22nd of June, 2005
    june twenty second two thousand five|June 22, 2005
    june twenty-two|June 22
    four oh four|404
    four hundred and four|404
    one two three four five six|123456
    one twenty three four fifty six|123-456
    eighteen sixty-five|1865
    two thousand and eight|2008
    twenty oh eight|2008
    it is ten o'clock|It's 10 o'clock
    let me|lemme
    want to|wanna
    does not|doesn't
    I would have|I'd've
    I would have|I would've
    it will|it'll
    should not have|shouldn't have
    he would|he'd
    what is|what's
    who has|who's
    mount everest|Mt. Everest
    fifth avenue|5th Ave.
    one hundred and ten pounds|110 lbs
    one hundred ten pounds|£110
    five point five meters|5.5 m
    ten kilometers per hour|10 km/h
    thirty two degrees fahrenheit|32°F
    zero percent|0%
    half a percent|half a %
    one in ten|1 in 10
    three to one|3-1
    version two point oh|version 2.0
    four k|4K
    m p three|MP3
    e g|e.g.
    number one|#1
    hashtag one|#1
    question two b|question 2b
    twenty twenty|2020
    twenty-twenty vision|20/20 vision
    hundred million|100,000,000
    nine hundred ninety nine|999
    ten four|10-4
    grey|gray
    um I uh think so|I think so
    the first and second|the 1st and 2nd
    seven eighths|7/8
    four fifths|4/5
    one and three quarters|1 3/4
    two and a quarter|2 1/4
    two and one quarter|2¼
    one point two three|1.23
    negative three|−3
    one two three go|1-2-3 go
    two thirty p m|2.30 p.m.
    eighty eight point five f m|88.5 FM
    ten nine eight seven six five four three two one|10 9 8 7 6 5 4 3 2 1
    ten, twenty, thirty, forty|10, 20, 30, 40
    five ten fifteen twenty|5, 10, 15, 20
    thirty twenty ten five|30, 20, 10, 5
    two four six eight|2, 4, 6, 8
    one hundred two hundred|100, 200
    a thousand and one nights|1001 nights
    three sixty five|365
    fifty pence|£0.50
    one hundred one|1 hundred 1
    seven hundred and fifty thousand|750,000
    five hundred and fifty five|555
    two twenty-five p.m.|2:25 p.m.
    nineteen ninety-nine|1999
    the year two thousand|the year 2000
    the two thousands|the 2000s
    nineteen hundreds|1900s
    oh no|oh no
    I owe you five|I owe you 5
    at ten to five|at 10 to 5
    he's five foot ten|he is 5 foot 10
    it's ten past|it is 10 past
    page one hundred and twelve|page 112
    forty five point six seven eight|45.678
    minus forty degrees|-40°
    square root of sixteen|square root of 16
    three squared|3²
    one hundred and twenty-three million four hundred and fifty-six thousand seven hundred and eighty-nine|123,456,789
    two and two is four|2 & 2 is 4
    nineteen forty one to nineteen forty five|1941–1945
    fifty to one|50:1
    one zero zero one|1001
    zip code nine oh two one oh|ZIP code 90210
    four one one one|4111
    four one one one one one one one one one one one one one one one|4111 1111 1111 1111
    twelve a|12A
    five foot ten|5'10"
    five foot eleven inches|5' 11"
    e mail|e-mail
    he'd've gone|he would have gone
    rock 'n' roll|rock n roll
    he said 'yes'|he said yes
    the students' books|the students books
    for example|e.g.
    that is|i.e.
    march the third|March 3
    the third of march|3 March
    the fourth of july|4 July
    fifth june|5 June
    world war two|World War II
    henry the eighth|Henry VIII
    chapter fourteen|Chapter XIV
    i v|IV
    fifty thousand|50k
    ten k|10k
    three billion|3bn
    eight a.m. to five p.m.|8am-5pm
    nine to five|9:00-5:00
    five dollars to ten dollars|$5–$10
    ten percent to twenty percent|10%-20%
    monday to friday|Monday–Friday
    minus three|–3
    p h d|Ph.D.
    a phd|a Ph.D.
    does not|doesnt
    come on|c'mon
    erm I er think so|I think so
    """.strip().splitlines()
]
#: Not the same, however they are written.
DIFFERENT = [
    line.strip().split("|")
    for line in """
    one two three|1 2 4
    thirteen|thirty
    fifteen|50
    twenty six|20
    minus five|5
    two plus three|2 - 3
    two|to
    two hundred|2000
    one hundred two|1002
    three fourteen|3.14
    three o'clock|4:00
    half past three|3:15
    half past three|4:30
    half past three|three thirty
    quarter to four|4:15
    quarter to four|4:45
    ten to five|10:05
    USD 20|twenty euros
    USD 20|thirty dollars
    USD 20|20
    USD 20|twenty canadian dollars
    USD 5-10|five to eleven dollars
    AUD 20|CAD 20
    10:05|10:50
    five dollars|5 cents
    five dollars|5
    five dollars|£5
    $5.50|$5.15
    $5|$5 million
    ten percent|10
    10 km|10 miles
    1.5 million|1.5 billion
    first|1
    one third|2/3
    ten to fifteen|10 15 20
    can|can't
    he is|he has
    I would|I had
    it's|its
    every day|everyday
    march the third|March 4
    the third of march|4 March
    the end of march|end of March
    the third|third
    world war two|World War III
    fifty thousand|50
    five k|6k
    """.strip().splitlines()
]


def verdicts(wanted, heard):
    return [(each.wanted, each.heard, each.verdict) for each in align(wanted, heard)]


def test_words_are_laid_side_by_side_as_they_were_written():
    assert verdicts("I would like a cup of tea.", "i like a cup of hot coffee") == [
        ("I", "i", "right"),
        ("would", "", "missing"),
        ("like", "like", "right"),
        ("a", "a", "right"),
        ("cup", "cup", "right"),
        ("of", "of", "right"),
        ("", "hot", "extra"),
        ("tea", "coffee", "other"),
    ]


def test_another_apostrophe_is_no_other_word():
    assert [each.verdict for each in align("It’s fine.", "it's fine")] == ["right", "right"]


@pytest.mark.parametrize(
    ("wanted", "heard", "matches"),
    [
        ("Yes.", "", [WordMatch("Yes", "", "missing")]),
        ("…", "oh no", [WordMatch("", "oh", "extra"), WordMatch("", "no", "extra")]),
        ("", "", []),
    ],
)
def test_texts_without_words_are_taken(wanted, heard, matches):
    assert align(wanted, heard) == matches


@pytest.mark.parametrize(
    ("reference", "heard", "rate"),
    [
        ("What can you do?", "what can you do", 0.0),
        ("the rain in Spain", "the reign in", 0.5),
        ("yes", "yes it is", 2.0),
        ("It's fine.", "it is fine", 0.0),
        ("Order seven, in colour.", "um, order 7 in color", 0.0),
        ("Yes.", "", 1.0),
    ],
)
def test_word_errors_are_counted_by_whispers_rules(reference, heard, rate):
    assert word_error_rate(reference, heard) == pytest.approx(rate)


def test_character_errors_are_counted_over_the_characters_of_the_reference():
    assert character_error_rate("Birds can fly.", "birds can fry") == pytest.approx(1 / 13)
    assert character_error_rate("Yes!", "yes") == 0.0


def test_errors_in_several_texts_are_counted_together_each_by_its_languages_rules():
    pairs = [("the rain in Spain", "the reign in", "en"), ("Über", "uber", "de-AT"), ("a b c d", "a b c d", "en")]
    assert error_rates(pairs)[0] == pytest.approx(3 / 9)


def test_with_an_empty_reference_every_word_is_an_insertion():
    assert error_rates([("Mhm.", "for example", "en")])[0] == 2.0
    assert error_rates([("Mhm.", "", "en"), ("yes", "yes", "en")]) == (0.0, 0.0)


# Other ways to write the same words.


@pytest.mark.parametrize(("said", "written"), SAME)
def test_another_written_form_of_the_same_words_is_no_error(said, written):
    for one, other in [
        (said, written),
        (f"{said.capitalize()}.", written.upper()),
        (f"Well, I told him {said}, honest.", f"“Well I told him {written} – honest!”".replace("'", "’")),
    ]:
        assert word_error_rate(one, other) == word_error_rate(other, one) == 0.0, (one, other)
        assert character_error_rate(one, other) == 0.0


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_words_are_errors_however_they_are_written(one, other):
    assert 0 < word_error_rate(one, other) and 0 < word_error_rate(other, one)
    assert 0 < word_error_rate(f"I said {one}, honest", f"I said {other}, honest") < 1


@pytest.mark.parametrize(
    ("reference", "heard", "rate"),
    [
        ("one two three", "1 2 4", 1 / 3),
        ("in 2026", "in 2025", 1 / 5),
        ("in twenty twenty six", "in 2025", 1 / 5),
        ("I have $5.", "I have six dollars", 1 / 4),
        ("It's fine.", "it was fine", 1 / 3),
        ("a b c d", "a b see d", 1 / 4),
        ("He paid $5.50 of it", "he paid five forty of it", 1 / 7),
    ],
)
def test_each_digit_counts_as_a_word(reference, heard, rate):
    assert word_error_rate(reference, heard) == pytest.approx(rate)


def test_words_written_as_one_stand_together_as_they_were_written():
    assert verdicts("At twenty twenty-six, it’s 3:30 p.m.", "at 2026 it is three forty pm") == [
        ("At", "at", "right"),
        ("twenty twenty-six", "2026", "right"),
        ("it’s", "it is", "right"),
        ("3:30", "three forty", "other"),
        ("p.m.", "pm", "right"),
    ]
    assert verdicts("one two three", "1 2 4") == [("one", "1", "right"), ("two", "2", "right"), ("three", "4", "other")]
    assert verdicts("Call 555-0123!", "five five five oh one two three") == [
        ("Call", "", "missing"),
        ("555-0123", "five five five oh one two three", "right"),
    ]


def test_beside_each_other_words_of_any_language_keep_their_accents_and_fillers():
    assert verdicts("schön", "schon") == [("schön", "schon", "other")]
    assert verdicts("café", "cafe\u0301") == [("café", "café", "right")]
    assert verdicts("um (yes)", "um yes") == [("um", "um", "right"), ("yes", "yes", "right")]


@given(st.text(st.sampled_from("05a o-'./:$%½²,one hundred and twenty million point\u0301\n"), max_size=40))
def test_every_text_has_the_words_that_it_has(text):
    for language in ("en", "hi"):
        assert error_rates([(text, text, language)]) == (0.0, 0.0)
    assert all(match.verdict == "right" for match in align(text, text))


# Other languages, other codes.


@pytest.mark.parametrize(
    ("language", "reference", "heard", "rate"),
    [
        ("hi", "मैं हिन्दी बोलता हूँ।", "मैं हिन्दी बोलता हूँ", 0.0),
        ("hi", "मैं हिन्दी बोलता हूँ", "मैं हिन्दू बोलता हूँ", 1 / 4),
        ("ta", "நான் தமிழ் பேசுகிறேன்", "நான் தமிழ் பேசுகிறான்", 1 / 3),
        ("bn", "আমি বাংলা বলি", "আমি বাংলা বলে", 1 / 3),
        ("th", "ฉันรัก เธอ", "ฉันรัก เธิ", 2 / 7),
        ("ar", "كَتَبَ الولد", "كتب الولد", 0.0),
        ("ar", "كَتَبَ الولد", "كُتِبَ الولد", 1 / 2),
        ("he", "שָׁלוֹם עולם", "שלום עולם", 0.0),
        ("vi", "tôi nói tiếng Việt", "tôi nói tiếng Viết", 1 / 4),
        ("de", "Straße über", "STRASSE Über", 0.0),
        ("de", "schön", "schon", 1.0),
        ("fr", "l'homme", "L’homme", 0.0),
        ("tr", "İstanbul", "istanbul", 0.0),
        ("hi", "१२ बजे", "12 बजे", 0.0),
        ("zh", "今天天气很好。", "今天天气很坏", 1 / 6),
    ],
)
def test_in_other_languages_words_keep_their_marks(language, reference, heard, rate):
    for form in ("NFC", "NFD"):
        assert word_error_rate(reference, unicodedata.normalize(form, heard), language) == pytest.approx(rate)


@pytest.mark.parametrize("normaliser", ["realtime_nb", "whisper", "open_asr_leaderboard"])
@pytest.mark.parametrize(
    ("language", "reference", "heard", "letters"),
    [
        ("zh", "今天天气很好", "今天 天气 很 好", 6),
        ("ja", "3月に会いましょう。", "3 月 に 会い ましょう", 9),
        ("th", "ฉันรักเธอ", "ฉัน รัก เธอ", 7),
        ("lo", "ຂ້ອຍຮັກເຈົ້າ", "ຂ້ອຍ ຮັກ ເຈົ້າ", 8),
        ("km", "ខ្ញុំស្រឡាញ់", "ខ្ញុំ ស្រឡាញ់", None),
        ("my", "ကျွန်တော်", "ကျွန် တော်", None),
        ("zh", "我有 iPhone 手机", "我有iPhone手机", 5),
    ],
)
def test_spaces_in_scripts_that_have_none_are_no_error(language, reference, heard, letters, normaliser):
    for spoken in (language, "en"):  # Whatever the dataset says.
        words, characters = count_errors([(reference, heard, spoken)], normaliser)
        assert words.rate == 0 and (normaliser != "realtime_nb" or characters.rate == 0)
        assert letters is None or words.words == letters
    assert [match.verdict for match in align(reference, heard, language)] == ["right"] * words.words


def test_errors_are_counted_by_their_kinds():
    pairs = [("the rain in Spain", "the reign in", "en"), ("yes", "yes it is", "en"), ("今天", "今", "zh")]
    words, characters = count_errors(pairs)
    assert words == (1, 2, 2, 7) and words.rate == pytest.approx(5 / 7)
    assert characters.words == 17 + 3 + 2


@pytest.mark.parametrize(
    ("normaliser", "rate"),
    [("realtime_nb", 0.0), ("whisper", (2 + 3) / 11), ("open_asr_leaderboard", 0.0)],
)
def test_the_normaliser_decides_which_forms_are_the_same(normaliser, rate):
    # Whisper's leaves the letters of abbreviations apart.
    pair = ("The U.S.A. won $5 in the U.S. games.", "the USA won five dollars in the US games", "en")
    assert count_errors([pair], normaliser)[0].rate == pytest.approx(rate)


def test_a_normaliser_that_is_not_known_is_named():
    with pytest.raises(SettingsError, match="normaliser='nist' is not one of realtime_nb, whisper, open_asr"):
        count_errors([("a", "a", "en")], "nist")


def test_a_script_without_spaces_is_counted_by_its_characters():
    assert character_error_rate("今天天气很好。", "今天天气很坏", "zh") == pytest.approx(1 / 6)
    assert character_error_rate("ฉันรักเธอ", "ฉันรักเธิ", "th") == pytest.approx(1 / 9)


@pytest.mark.parametrize(
    "code", ["en", "EN", "eng", "ENG", "en-US", "en_US", "en_us", "en-Latn-GB", "English", "english"]
)
def test_english_is_english_by_all_its_codes(code):
    assert word_error_rate("I can't, it's 3.", "I cannot it is three", code) == 0.0
    assert word_error_rate("schon", "schön", code) == 0.0


@pytest.mark.parametrize("code", ["de", "deu", "ger", "de_DE", "German", "enm", ""])
def test_other_codes_are_other_languages(code):
    assert word_error_rate("drei", "3", code) == 1.0


def test_words_heard_where_none_were_wanted_count():
    assert error_rates([("…", "hello there", "en"), ("yes", "yes", "en")])[0] == 2.0
    assert error_rates([("", "hello", "hi"), ("a b c d", "a b c d", "de")]) == (1 / 4, 5 / 7)
    assert error_rates([("", "", "en"), ("a b c d", "a b c d", "en")]) == (0.0, 0.0)
    assert error_rates([("", "hello there", "en")]) == (2.0, 11.0)
