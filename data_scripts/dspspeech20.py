"""DSPSpeech-20: 20 Mandarin and English words of 34 speakers."""

from data_scripts._command import make_app, run
from data_scripts._common import Archive, CorpusDescription, Size

DESCRIPTION = CorpusDescription(
    name="DSPSpeech-20",
    title="DSPSpeech-20: isolated Mandarin and English words, 16 kHz WAV of about 2 s",
    homepage="https://github.com/zhongyuchen/DSPSpeech-20",
    licence="MIT, (c) 2019 Zhongyu Chen",
    citation="Zhongyu Chen and others, 'DSPSpeech-20', 2019",
    # speech_data/SPEAKER/SPEAKER-WORD-ROUND.wav; the speaker's number occurs twice.
    layout=r"(?:.*/)?(?P<speaker>[^/-]+)/(?P=speaker)-\d\d-\d\d\.(?:wav|flac)",
    archives=(
        Archive("dspspeech20", "https://github.com/zhongyuchen/DSPSpeech-20/archive/HEAD.tar.gz"),
    ),
    sizes={"": Size(34, 13599)},
)

app = make_app(DESCRIPTION)

if __name__ == "__main__":
    run(app)
