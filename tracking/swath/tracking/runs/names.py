"""Makes up ids and names of runs; nothing here is looked up anywhere."""

from __future__ import annotations

import os

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ADJECTIVES = """
amber azure bold brave bright brisk calm candid clear clever coral cosmic crimson crisp deft dewy eager
early ebony fair fleet fresh gentle giddy glad golden grand green happy hardy hazel honest icy indigo ivory
jade jolly keen kind lively lucid lunar magic mellow merry misty mossy neat noble olive opal pale polar
proud quick quiet rapid royal ruby rustic sage scarlet serene silent silver sleek snowy solar spry stellar
sunny swift tidy topaz vivid warm wild wise witty young zesty
"""
_NOUNS = """
acorn aspen badger bay beacon birch bison breeze brook canyon cedar cliff clover comet condor cove crane
creek delta dolphin dune eagle ember falcon fern field finch fjord forest fox garden glade grove harbor hare
hawk heron hill island ivy kestrel lake lark leaf lily lynx maple marsh meadow moon moss oak orchid osprey
otter owl panda pebble pine planet plover pond prairie quail rain raven reef ridge river robin rose salmon
sea shore sky sparrow spruce star stone swan thistle tide tiger trail valley wave willow wind wolf wren
"""
_FIRST, _SECOND = _ADJECTIVES.split(), _NOUNS.split()


def new_id() -> str:
    """8 characters of base32, at random: 40 bits."""
    bits = int.from_bytes(os.urandom(5), "big")
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, 40, 5))


def new_name() -> str:
    """A name that people can say and remember, such as "amber-falcon-412"."""
    bits = int.from_bytes(os.urandom(8), "big")
    bits, adjective = divmod(bits, len(_FIRST))
    bits, noun = divmod(bits, len(_SECOND))
    return f"{_FIRST[adjective]}-{_SECOND[noun]}-{bits % 1000}"
