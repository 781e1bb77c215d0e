"""What a CTM gives to one utterance is of one speaker."""

import pytest

from speakergmm.errors import CorpusError
from speakergmm.recognition import read_ctm


def test_channels_of_one_recording_are_not_merged(tmp_path):
    path = tmp_path / "talk.ctm"
    path.write_text("talk A 0.0 0.5 hello\ntalk B 0.7 0.3 hi\n")
    with pytest.raises(CorpusError, match=r"talk.ctm:2: 'talk' has the channels 'A' and 'B'"):
        read_ctm(path)
    path.write_text("talk-A 1 0.0 0.5 hello\ntalk-B 2 0.7 0.3 hi\n")
    assert list(read_ctm(path)) == ["talk-A", "talk-B"]
