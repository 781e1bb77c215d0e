"""How many frames a transcript needs at the least, and how many a recording has."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from speakergmm.audio import AudioWarning, probe
from speakergmm.corpora import Utterance
from speakergmm.errors import SpeakerGmmError
from speakergmm.features import FeatureConfig
from speakergmm.hmm.language.graphemes import spell
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.recognition.loudness import log_energies, speech_found


def shortest_frames(
    words: Iterable[str],
    lexicon: Lexicon | None = None,
    *,
    frames_of: Callable[[str], int] = lambda _: 3,
    unknown: str | None = None,
) -> int:
    """Count the frames that the shortest way to say some words takes.

    Parameters
    ----------
    words : iterable of str
    lexicon : Lexicon, optional
        Without it words are spelled, and those that can't be are taken for one letter.
    frames_of : callable, optional
        Least number of frames of a phone; by default 3, for three states in a row.
    unknown : str, optional
        Word of the lexicon that others are taken for. Without it words outside the lexicon take
        no time.

    Returns
    -------
    int

    Examples
    --------
    >>> lexicon = Lexicon.from_dict({"the": ["DH AH", "DH IY"], "often": ["AO F AH N", "AO F T N"]})
    >>> shortest_frames(["the", "often"], lexicon), shortest_frames(["the"])
    (18, 9)
    """
    total = 0
    for word in words:
        if lexicon is None:
            total += sum(map(frames_of, spell(word, digits="keep") or word[:1]))
            continue
        known = word if word in lexicon else unknown
        if known is not None:
            total += min(sum(map(frames_of, way.phones)) for way in lexicon[known])
    return total


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found of an utterance's recording.

    Attributes
    ----------
    sample_rate : int
        That of the file, in Hz.
    seconds : float
        Length of the utterance.
    n_frames : int
        Frames of features.
    has_speech : bool or None
        None where the samples weren't looked at.
    refusal : str or None
        Why the recording can't be read; then nothing else counts.
    """

    sample_rate: int = 0
    seconds: float = 0.0
    n_frames: int = 0
    has_speech: bool | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """The function from an utterance to what was found of it; travels between processes.

    Attributes
    ----------
    config : FeatureConfig
        Rate and frames are taken from it.
    listen : bool
        Read the samples, and look for speech in them; without it the header says how long the
        recording is.
    """

    config: FeatureConfig
    listen: bool

    def __call__(self, utterance: Utterance) -> Measured:
        """Measure one utterance."""
        try:
            info = probe(utterance.path)
            end = info.duration if utterance.end is None else min(utterance.end, info.duration)
            seconds = max(0.0, end - utterance.start)
            if not self.listen:
                n_frames = self.config.count_frames(round(seconds * self.config.sample_rate))
                return Measured(info.sample_rate, seconds, n_frames)
            with warnings.catch_warnings():
                # A low rate is a problem of its own.
                warnings.simplefilter("ignore", AudioWarning)
                rule = FeatureConfig.preset("speaker")
                heard = self.config.replace(vad_floor=rule.vad_floor)
                energy = log_energies(utterance, heard)
        except SpeakerGmmError as error:
            return Measured(refusal=str(error))
        return Measured(info.sample_rate, seconds, len(energy), speech_found(energy, rule))
