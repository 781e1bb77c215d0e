"""VoxCeleb1: interviews of 1,251 people, from a copy that the user has obtained."""

from data_scripts._command import make_app, run
from data_scripts._common import CorpusDescription, Size

DESCRIPTION = CorpusDescription(
    name="VoxCeleb1",
    title="VoxCeleb1: interviews of celebrities found on the web, 16 kHz",
    homepage="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html",
    licence="CC BY 4.0 for the lists; the copyright of the videos remains with their owners",
    citation=(
        "Nagrani, Chung, Zisserman, 'VoxCeleb: a large-scale speaker identification dataset', "
        "Interspeech 2017, 2616-2620"
    ),
    # wav/SPEAKER/VIDEO/NUMBER.wav; dev and test archives have the same folders.
    layout=r"(?:.*/)?(?P<speaker>id1\d{4})/[^/]+/\d{5}\.(?:wav|flac)",
    sizes={"": Size(1251, 153516)},
    obtain=(
        "ask for access on the homepage, unpack vox1_dev_wav and vox1_test_wav into one folder, "
        "and give that folder to 'list'"
    ),
)

app = make_app(DESCRIPTION)

if __name__ == "__main__":
    run(app)
