import pytest

from realtime_nb.speech.syllables import count_syllables

WORDS = {
    1: """
        walked likes cakes jumped hoped named asked judged dogs cats makes takes gives lives loved moved
        played stayed called helped worked talked looked stopped dropped planned filled killed closed used
        caused placed faced forced danced changed charged watched touched reached marched fixed mixed boxed
        passed missed kissed crossed pushed washed brushed finds feels sees goes does done gone comes leaves
        stones bones phones rules miles smiles tiles holes roles games names times lines signs wives knives
        clothes breathes bathes loves saves waves caves cheese breeze these those there where here were are
        the she me be fire's hour's strength strengths months clothed through thought though tough rough
        laughed coughed sighed signed climbed combed bombed thumbed owed rowed snowed flowed showed grown
        known blown thrown drawn dog's I'll don't I've we'd thing things dogs' he's shrimped blinged
    """,
    2: """
        becomes rhythm wanted needed loaded boxes churches judges buses kisses washes watches passes misses
        houses horses noses roses faces places pieces prices races pages ages stages changes charges bridges
        edges badges voices choices dances chances fences senses cases causes pauses uses loses closes raises
        praises rises sizes prizes mixes fixes taxes reaches teaches catches pushes wishes dishes brushes
        hated dated rated started ended added handed landed minded folded tested rested lasted trusted painted
        pointed counted shouted waited heated treated seated voted noted quoted taken given even open happen
        listen basket pocket table apple people little bottle middle water paper letter number tables apples
        bottles handles handled settled riddled bubbles candles studies studied carried married worried copied
        cities ladies babies bodies stories making taking baking hoping going seeing being doing playing
        biggest nicest finer later over under about again above before behind into without outside inside
        doesn't couldn't it'll Max's church's o'clock allayed harder testing wicked naked headaches goodbyes
        nineteen ninety
    """,
    3: """
        decided invited provided created expected accepted directed corrected protected selected completed
        divided excited united promises practices services offices surfaces purchases languages messages
        packages surprises processes businesses banana computer yesterday tomorrow telephone hospital animal
        family company different idea area radio video museum piano poetry violin self-service ice-cream-cone
        correctly banana's
    """,
    4: """
        advantages exercises information education situation population television especially understanding
        conversation advertises experience activity ability ridiculous
    """,
    5: """
        university
    """,
}


@pytest.mark.parametrize(("count", "words"), WORDS.items())
def test_words_have_the_syllables_that_people_say(count, words):
    assert {word: count_syllables(word) for word in words.split()} == dict.fromkeys(words.split(), count)


def test_case_and_other_apostrophes_do_not_count():
    assert count_syllables("WALKED") == count_syllables("Dog’s") == 1


def test_a_word_without_vowels_has_one():
    assert count_syllables("hmm") == count_syllables("'") == 1
