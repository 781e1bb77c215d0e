"""AudioMNIST: English digits of 60 speakers."""

from data_scripts._command import make_app, run
from data_scripts._common import Archive, CorpusDescription, Size

DESCRIPTION = CorpusDescription(
    name="AudioMNIST",
    title="AudioMNIST: isolated English digits, 48 kHz WAV",
    homepage="https://github.com/soerenab/AudioMNIST",
    licence="MIT",
    citation=(
        "Becker, Ackermann, Lapuschkin, Mueller, Samek, 'Interpreting and explaining deep neural "
        "networks for classification of audio signals', arXiv:1807.03418 (2018)"
    ),
    # data/SPEAKER/DIGIT_SPEAKER_INDEX.wav; the speaker's number occurs twice.
    layout=r"(?:.*/)?(?P<speaker>\d\d)/\d_(?P=speaker)_\d+\.(?:wav|flac)",
    archives=(Archive("audiomnist", "https://github.com/soerenab/AudioMNIST/archive/HEAD.tar.gz"),),
    sizes={"": Size(60, 30000)},
)

app = make_app(DESCRIPTION)

if __name__ == "__main__":
    run(app)
