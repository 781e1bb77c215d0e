"""LibriSpeech: read English, 2,484 speakers, in seven parts (openslr.org/12)."""

from data_scripts._command import make_app, run
from data_scripts._common import Archive, CorpusDescription, Size

_SOURCE = "https://www.openslr.org/resources/12"

# MD5 sums as listed at https://www.openslr.org/resources/12/md5sum.txt.
_MD5 = {
    "dev-clean": "42e2234ba48799c1f50f24a7926300a1",
    "dev-other": "c8d0bcc9cca99d4f8b62fcc847357931",
    "test-clean": "32fa31d27d2e1cad72775fee3f4849a9",
    "test-other": "fb5a50374b501bb3bac4815ee91d3135",
    "train-clean-100": "2a93770f6d5c6c964bc36631d331a522",
    "train-clean-360": "c0e676e450a7ff2f54aeade5171606fa",
    "train-other-500": "d1a0fd59409feb2c614ce4d30c387708",
}

DESCRIPTION = CorpusDescription(
    name="LibriSpeech",
    title="LibriSpeech: English audiobooks read aloud, 16 kHz FLAC",
    homepage="https://www.openslr.org/12",
    licence="CC BY 4.0, (c) 2014 Vassil Panayotov",
    citation=(
        "Panayotov, Chen, Povey, Khudanpur, 'LibriSpeech: an ASR corpus based on public domain "
        "audio books', ICASSP 2015, 5206-5210"
    ),
    # PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac; excerpts leave the two folders out.
    layout=(
        r"(?:.*/)?(?P<part>(?:dev|test|train)-(?:clean|other)(?:-\d+)?)/"
        r"(?:\d+/\d+/)?(?P<speaker>\d+)-\d+-\d+\.flac"
    ),
    archives=tuple(
        Archive(part, f"{_SOURCE}/{part}.tar.gz", f"md5:{md5}") for part, md5 in _MD5.items()
    ),
    sizes={
        "dev-clean": Size(40, 2703),
        "dev-other": Size(33, 2864),
        "test-clean": Size(40, 2620),
        "test-other": Size(33, 2939),
        "train-clean-100": Size(251, 28539),
        "train-clean-360": Size(921, 104014),
        "train-other-500": Size(1166, 148688),
    },
)

app = make_app(DESCRIPTION)

if __name__ == "__main__":
    run(app)
