"""What General MIDI's 128 programs are in NSynth's words: family, source and natural range.

Programs that no family covers (pads, effects, drums, accordions, plucked folk instruments) are left out. Ranges
are the sounding pitches of the acoustic instrument (Adler, "The Study of Orchestration", 4th ed., appendix) or,
for electronic and synthetic ones, the five octaves of a common keyboard.
"""

from typing import NamedTuple


class Voice(NamedTuple):
    """A program's NSynth labels and its lowest and highest natural pitch (MIDI, both included)."""

    family: str
    source: str
    lowest_pitch: int
    highest_pitch: int


DISTORTED_PROGRAMS = (29, 30)  # overdriven and distortion guitar

VOICES = {
    0: Voice("keyboard", "acoustic", 21, 108),  # grand piano
    1: Voice("keyboard", "acoustic", 21, 108),  # bright piano
    2: Voice("keyboard", "acoustic", 28, 100),  # electric grand
    3: Voice("keyboard", "acoustic", 28, 100),  # honky-tonk
    4: Voice("keyboard", "electronic", 28, 100),  # tine electric piano
    5: Voice("keyboard", "electronic", 28, 100),  # FM electric piano
    6: Voice("keyboard", "acoustic", 29, 89),  # harpsichord
    7: Voice("keyboard", "electronic", 29, 88),  # clavinet
    8: Voice("mallet", "acoustic", 60, 108),  # celesta
    9: Voice("mallet", "acoustic", 72, 108),  # glockenspiel
    10: Voice("mallet", "acoustic", 60, 108),  # music box
    11: Voice("mallet", "acoustic", 53, 89),  # vibraphone
    12: Voice("mallet", "acoustic", 36, 96),  # marimba
    13: Voice("mallet", "acoustic", 65, 108),  # xylophone
    14: Voice("mallet", "acoustic", 55, 84),  # tubular bells
    16: Voice("organ", "electronic", 36, 96),  # drawbar organ
    17: Voice("organ", "electronic", 36, 96),  # percussive organ
    18: Voice("organ", "electronic", 36, 96),  # rock organ
    19: Voice("organ", "acoustic", 24, 96),  # pipe organ
    20: Voice("organ", "acoustic", 29, 89),  # reed organ
    22: Voice("reed", "acoustic", 55, 96),  # harmonica
    24: Voice("guitar", "acoustic", 40, 84),  # nylon strings
    25: Voice("guitar", "acoustic", 40, 84),  # steel strings
    26: Voice("guitar", "electronic", 40, 84),  # jazz
    27: Voice("guitar", "electronic", 40, 84),  # clean
    28: Voice("guitar", "electronic", 40, 84),  # muted
    29: Voice("guitar", "electronic", 40, 84),  # overdriven
    30: Voice("guitar", "electronic", 40, 84),  # distortion
    31: Voice("guitar", "electronic", 40, 88),  # harmonics
    32: Voice("bass", "acoustic", 28, 60),  # double bass, plucked
    33: Voice("bass", "electronic", 28, 62),  # fingered
    34: Voice("bass", "electronic", 28, 62),  # picked
    35: Voice("bass", "electronic", 28, 62),  # fretless
    36: Voice("bass", "electronic", 28, 62),  # slap 1
    37: Voice("bass", "electronic", 28, 62),  # slap 2
    38: Voice("bass", "synthetic", 24, 62),  # synth bass 1
    39: Voice("bass", "synthetic", 24, 62),  # synth bass 2
    40: Voice("string", "acoustic", 55, 100),  # violin
    41: Voice("string", "acoustic", 48, 91),  # viola
    42: Voice("string", "acoustic", 36, 81),  # cello
    43: Voice("string", "acoustic", 28, 67),  # double bass, bowed
    44: Voice("string", "acoustic", 28, 96),  # tremolo section
    45: Voice("string", "acoustic", 28, 91),  # pizzicato section
    46: Voice("string", "acoustic", 24, 103),  # harp
    48: Voice("string", "acoustic", 28, 96),  # section
    49: Voice("string", "acoustic", 28, 96),  # slow section
    50: Voice("string", "synthetic", 36, 96),  # synth strings 1
    51: Voice("string", "synthetic", 36, 96),  # synth strings 2
    52: Voice("vocal", "acoustic", 40, 84),  # choir, aah
    53: Voice("vocal", "acoustic", 40, 84),  # voices, ooh
    54: Voice("vocal", "synthetic", 40, 84),  # synth voice
    56: Voice("brass", "acoustic", 54, 86),  # trumpet
    57: Voice("brass", "acoustic", 40, 74),  # trombone
    58: Voice("brass", "acoustic", 26, 62),  # tuba
    59: Voice("brass", "acoustic", 54, 86),  # muted trumpet
    60: Voice("brass", "acoustic", 34, 77),  # French horn
    61: Voice("brass", "acoustic", 36, 86),  # section
    62: Voice("brass", "synthetic", 36, 96),  # synth brass 1
    63: Voice("brass", "synthetic", 36, 96),  # synth brass 2
    64: Voice("reed", "acoustic", 56, 88),  # soprano saxophone
    65: Voice("reed", "acoustic", 49, 81),  # alto saxophone
    66: Voice("reed", "acoustic", 44, 76),  # tenor saxophone
    67: Voice("reed", "acoustic", 36, 69),  # baritone saxophone
    68: Voice("reed", "acoustic", 58, 93),  # oboe
    69: Voice("reed", "acoustic", 52, 81),  # English horn
    70: Voice("reed", "acoustic", 34, 75),  # bassoon
    71: Voice("reed", "acoustic", 50, 94),  # clarinet
    72: Voice("flute", "acoustic", 74, 108),  # piccolo
    73: Voice("flute", "acoustic", 59, 98),  # flute
    74: Voice("flute", "acoustic", 53, 98),  # recorders, bass to soprano
    75: Voice("flute", "acoustic", 55, 96),  # pan flute
    76: Voice("flute", "acoustic", 48, 91),  # blown bottle
    77: Voice("flute", "acoustic", 55, 91),  # shakuhachi
    78: Voice("flute", "acoustic", 62, 100),  # whistle
    79: Voice("flute", "acoustic", 57, 91),  # ocarina
    80: Voice("synth_lead", "synthetic", 36, 96),  # square
    81: Voice("synth_lead", "synthetic", 36, 96),  # sawtooth
    82: Voice("synth_lead", "synthetic", 36, 96),  # calliope
    83: Voice("synth_lead", "synthetic", 36, 96),  # chiff
    84: Voice("synth_lead", "synthetic", 36, 96),  # charang
    85: Voice("vocal", "synthetic", 40, 84),  # voice lead
    86: Voice("synth_lead", "synthetic", 36, 96),  # fifths
    87: Voice("synth_lead", "synthetic", 36, 96),  # bass and lead
    91: Voice("vocal", "synthetic", 40, 84),  # choir pad
    105: Voice("guitar", "acoustic", 48, 86),  # banjo
    108: Voice("mallet", "acoustic", 48, 84),  # kalimba
    109: Voice("reed", "acoustic", 55, 86),  # bagpipe
    110: Voice("string", "acoustic", 55, 96),  # fiddle
    111: Voice("reed", "acoustic", 58, 88),  # shanai
    114: Voice("mallet", "acoustic", 48, 88),  # steel drum
}
"""By program number, counted from 0. Programs left out have no NSynth family."""
