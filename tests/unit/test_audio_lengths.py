"""Recordings are read whole or refused: what a header says of the length is a claim."""

import io
import warnings
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from speakergmm.audio import AudioWarning, iter_audio, probe, read_audio
from speakergmm.errors import AudioError

RATE = 16000
NOISE = np.random.default_rng(0).normal(scale=0.1, size=4 * RATE).clip(-0.9, 0.9).astype(np.float32)


def encoded(samples, file_format, subtype=None, rate=RATE, **options):
    """Bytes of a file as libsndfile writes it."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=file_format, subtype=subtype, **options)
    return file.getvalue()


def decoded(content):
    """Samples of a file that libsndfile reads right, in one read."""
    return soundfile.read(io.BytesIO(content), dtype="float32")[0]


def read_everywhere(path):
    """Samples, after every way of reading has been seen to agree."""
    info = probe(path)
    whole, rate = read_audio(path)
    assert rate == info.sample_rate
    assert len(whole) == info.n_samples
    assert info.duration == info.n_samples / rate
    blocks = list(iter_audio(path, block_seconds=0.37))
    assert max(map(len, blocks)) <= 0.37 * rate
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    for start in (0.0, 0.3 * info.duration, info.duration / 2, 0.9 * info.duration):
        first = round(start * rate)
        found, _ = read_audio(path, start=first / rate, end=(first + 900) / rate)
        np.testing.assert_allclose(found, whole[first : first + 900], atol=1e-6)
    with path.open("rb") as file:
        assert probe(file).n_samples == info.n_samples
        np.testing.assert_array_equal(read_audio(file)[0], whole)
    return whole


def refused(path):
    with pytest.raises(AudioError) as caught:
        read_audio(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "recording"


# Containers with a length in a header.

CONTAINERS = [
    ("WAV", "PCM_16"),
    ("WAVEX", "PCM_24"),
    ("WAV", "GSM610"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("W64", "MS_ADPCM"),
    ("AIFF", "PCM_16"),
    ("AIFF", "IMA_ADPCM"),
    ("AU", "PCM_16"),
    ("AU", "G721_32"),
    ("NIST", "PCM_16"),
    ("NIST", "ULAW"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("SVX", "PCM_16"),
    ("HTK", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("AVR", "PCM_16"),
    ("WVE", "ALAW"),
    ("VOC", "PCM_16"),
    ("SDS", "PCM_16"),
    ("SDS", "PCM_24"),
]


@pytest.mark.parametrize(("file_format", "subtype"), CONTAINERS)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_truncated_files_are_refused_on_sight(path, file_format, subtype, part):
    rate = 8000 if file_format == "WVE" else RATE
    content = encoded(NOISE[:RATE], file_format, subtype, rate)
    path.write_bytes(content)
    np.testing.assert_allclose(read_everywhere(path), decoded(content), atol=1e-6)
    path.write_bytes(content[: int(part * len(content))])
    refused(path)
    with pytest.raises(AudioError):
        probe(path)


@pytest.mark.parametrize("file_format", ["MAT4", "MAT5", "MPC2K"])
def test_files_of_which_nobody_knows_whether_they_are_whole_are_refused(path, file_format):
    path.write_bytes(encoded(NOISE, file_format, "PCM_16"))
    assert "whose completeness cannot be checked; convert it to WAV" in refused(path)


def test_files_that_claim_no_length_are_read_to_their_end(path):
    for file_format in ("IRCAM", "PVF", "PAF"):
        content = encoded(NOISE[:RATE], file_format, "PCM_16")
        path.write_bytes(content)
        np.testing.assert_array_equal(read_everywhere(path), decoded(content))


def test_blocks_of_sound_that_would_be_read_as_one_are_refused(path):
    block = bytes(range(256)) * 40
    sound = b"\1" + (len(block) + 2).to_bytes(3, "little") + b"\x83\0" + block
    more = b"\2" + len(block).to_bytes(3, "little") + block
    header = b"Creative Voice File\x1a\x1a\0\x14\1\x1f\x11"
    path.write_bytes(header + sound + b"\0")
    assert len(read_audio(path)[0]) >= len(block)
    path.write_bytes(header + sound + more + b"\0")
    assert "VOC file with 2 blocks of sound" in refused(path)


@pytest.mark.parametrize(
    ("file_format", "subtype"),
    [
        ("WAV", "GSM610"),
        ("WAV", "G721_32"),
        ("WAV", "IMA_ADPCM"),
        ("WAV", "MS_ADPCM"),
        ("WAV", "NMS_ADPCM_32"),
        ("W64", "GSM610"),
        ("AIFF", "GSM610"),
        ("AU", "G723_24"),
        ("AU", "G723_40"),
    ],
)
def test_what_can_not_be_sought_in_is_decoded_from_its_beginning(path, file_format, subtype):
    content = encoded(NOISE[:RATE], file_format, subtype)
    path.write_bytes(content)
    np.testing.assert_allclose(read_everywhere(path), decoded(content), atol=1e-7)


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM"])
def test_two_channels_are_sought_in_as_one_is(path, subtype):
    content = encoded(np.stack([NOISE, 0.3 * NOISE], axis=1), "WAV", subtype)
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        found = read_everywhere(path)
    np.testing.assert_allclose(found, decoded(content).mean(axis=1), atol=1e-7)


# Lengths that were left open, and what follows the audio.


def chunk(name, content, order="little", n_size=4):
    return name + len(content).to_bytes(n_size, order) + content + b"\0" * (len(content) % 2)


def riff(*chunks):
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + len(content).to_bytes(4, "little") + content


PCM = (NOISE[:RATE] * 32768).astype("<i2")
FMT = encoded(NOISE[:1], "WAV", "PCM_16")[12:36]
METADATA = {
    "iXML": chunk(b"iXML", b"<BWFXML>" + b"metadata " * 900 + b"</BWFXML>"),
    "id3": chunk(b"id3 ", b"ID3\4\0\0" + bytes(range(256)) * 60),
    "JUNK": chunk(b"JUNK", bytes(16000)),
    "LIST": chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"a recorder")),
    "odd": chunk(b"LIST", b"INFOISFT\3\0\0\0abc"),
    "unknown": chunk(b"Qx7 ", bytes(range(256)) * 100),
    "two": chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"recorder")) + chunk(b"iXML", b"metadata" * 99),
}


@pytest.mark.parametrize("kind", METADATA)
@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_metadata_after_an_open_length_is_no_audio(path, kind, length):
    header = b"data" + length.to_bytes(4, "little")
    path.write_bytes(riff(FMT, header + PCM.tobytes(), METADATA[kind]))
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)
    # No audio at all, with or without metadata before it.
    path.write_bytes(riff(FMT, header, METADATA[kind]))
    assert "holds no samples" in refused(path)
    path.write_bytes(riff(FMT, METADATA["LIST"], header, METADATA[kind], METADATA["JUNK"]))
    assert "holds no samples" in refused(path)


@pytest.mark.parametrize("kind", ["iXML", "id3", "LIST"])
@pytest.mark.parametrize("own", [b"\0\0\0\0", b"\xff\xff\xff\xff", None])
def test_metadata_of_an_open_length_is_told_by_what_is_in_it(path, kind, own):
    content = METADATA[kind]
    content = content[:4] + own + content[8:] if own else content + METADATA["id3"][8:]
    path.write_bytes(riff(FMT, b"data\0\0\0\0" + PCM.tobytes(), content))
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


@pytest.mark.parametrize("kind", ["iXML", "id3", "JUNK", "LIST"])
@pytest.mark.parametrize("tail", [b"", b"?????"])
def test_metadata_that_ends_elsewhere_than_the_file_is_no_audio(path, kind, tail):
    # Of audio of an open length nothing was written: a recorder was killed, or the file was cut.
    header = b"data\0\0\0\0"
    content = METADATA[kind] + tail if tail else METADATA[kind][:-3]
    path.write_bytes(riff(FMT, header, content))
    assert "holds no samples" in refused(path)


@pytest.mark.parametrize("kind", METADATA)
def test_metadata_around_audio_of_known_length_is_passed_over(path, kind):
    path.write_bytes(riff(METADATA[kind], FMT, chunk(b"data", PCM.tobytes()), METADATA[kind]))
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


@pytest.mark.parametrize("length", [0, (1 << 64) - 1])
@pytest.mark.parametrize("tail", [b"", METADATA["iXML"]])
def test_an_open_length_of_rf64_is_found(path, length, tail):
    content = bytearray(encoded(PCM, "RF64", "PCM_16"))
    at = content.index(b"ds64") + 16
    content[at : at + 8] = length.to_bytes(8, "little")
    path.write_bytes(bytes(content) + tail)
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


@pytest.mark.parametrize("length", [24, (1 << 63) - 1])
def test_an_open_length_of_w64_is_found(path, length):
    content = bytearray(encoded(PCM, "W64", "PCM_16"))
    at = content.index(b"data\xf3\xac\xd3\x11") + 16
    content[at : at + 8] = length.to_bytes(8, "little")
    path.write_bytes(content)
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


@pytest.mark.parametrize("length", [0, 8, 0xFFFFFFFF])
@pytest.mark.parametrize("tail", [b"", chunk(b"ID3 ", b"ID3\4" + bytes(range(256)) * 9, "big")])
def test_an_open_length_of_aiff_is_found(path, length, tail):
    content = bytearray(encoded(PCM, "AIFF", "PCM_16"))
    at = content.index(b"SSND") + 4
    content[at : at + 4] = length.to_bytes(4, "big")
    content = content[: at + 12 + 2 * len(PCM)]
    path.write_bytes(bytes(content) + tail)
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_an_open_length_of_au_is_found(path, length):
    content = bytearray(encoded(PCM, "AU", "PCM_16"))
    content[8:12] = length.to_bytes(4, "big")
    path.write_bytes(content)
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


def test_an_open_length_of_caf_is_found(path):
    content = bytearray(encoded(PCM, "CAF", "PCM_16"))
    at = content.index(b"data") + 4
    content[at : at + 8] = b"\xff" * 8
    content = content[: at + 12 + 2 * len(PCM)]
    path.write_bytes(content)
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


def test_audio_beyond_its_claimed_length_is_not_lost_silently(path):
    # As a recorder leaves it that was killed after it had updated the header for the last time.
    content = bytearray(riff(FMT, chunk(b"data", PCM.tobytes())))
    content[40:44] = (len(PCM)).to_bytes(4, "little")
    path.write_bytes(content)
    message = refused(path)
    assert f"promises {len(PCM)} bytes of audio, and {len(PCM)} more follow" in message
    # Zeros are no audio: some programs fill up sectors.
    path.write_bytes(riff(FMT, chunk(b"data", PCM.tobytes())) + bytes(3000))
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


@pytest.mark.parametrize("file_format", ["WAV", "AIFF", "AU", "W64", "RF64", "NIST"])
def test_two_files_in_one_are_refused_where_only_one_would_be_read(path, file_format):
    content = encoded(PCM, file_format, "PCM_16")
    path.write_bytes(content + content)
    assert "another recording follows its audio" in refused(path)


def test_a_second_chunk_of_audio_is_refused(path):
    path.write_bytes(riff(FMT, chunk(b"data", PCM.tobytes()), chunk(b"data", PCM.tobytes())))
    assert "second chunk of audio" in refused(path)


# FLAC.

FLAC = encoded(NOISE, "FLAC", "PCM_16")


def with_total(content, total):
    changed = bytearray(content)
    at = content.index(b"fLaC") + 18
    fields = int.from_bytes(changed[at : at + 8], "big") >> 36 << 36 | total
    changed[at : at + 8] = fields.to_bytes(8, "big")
    return bytes(changed)


@pytest.mark.parametrize("total", [0, RATE, len(NOISE)])
@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\1\0" + bytes(128)])
def test_flac_is_read_to_its_last_frame(path, total, tag):
    path.write_bytes(tag + with_total(FLAC, total))
    np.testing.assert_array_equal(read_everywhere(path), decoded(FLAC))


# What `flac` writes where a WAV file comes through a pipe: its open length, in samples.
@pytest.mark.parametrize("total", [0x7FFFFFFF // 2, 0xFFFFFFFF // 2, (0xFFFFFFFF - 36) // 2])
@pytest.mark.parametrize("behind", [b"", b"APETAGEX" + bytes(range(256)), b"TAG" + b"t" * 125])
def test_flac_of_the_open_length_of_a_wav_is_read(path, total, behind):
    path.write_bytes(with_total(FLAC, total) + behind)
    np.testing.assert_array_equal(read_everywhere(path), decoded(FLAC))
    path.write_bytes(with_total(FLAC, total)[:-900])
    assert "truncated FLAC file: its last frame is not whole" in refused(path)


def test_flac_that_ends_early_is_refused(path):
    path.write_bytes(with_total(FLAC, 0)[:-900])
    assert "truncated FLAC file: its last frame is not whole" in refused(path)
    # Its frames are those of a shorter file: cut between two frames.
    short = encoded(NOISE[: 3 * RATE], "FLAC", "PCM_16")
    path.write_bytes(with_total(short, 4 * RATE))
    assert "holds 3.00 s of audio where its header promises 4.00 s" in refused(path)


def test_flac_files_in_one_are_read_one_after_the_other(path):
    short = encoded(NOISE[: RATE // 3], "FLAC", "PCM_16")
    path.write_bytes(FLAC + short + with_total(FLAC, 0))
    expected = np.concatenate([decoded(FLAC), decoded(short), decoded(FLAC)])
    np.testing.assert_array_equal(read_everywhere(path), expected)
    path.write_bytes(FLAC + encoded(NOISE, "FLAC", "PCM_16", rate=8000))
    assert "parts of different rates or channels" in refused(path)


# Ogg.


@pytest.mark.slow
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chained_ogg_is_read_to_its_end(path, subtype):
    parts = [
        encoded(samples, "OGG", subtype)
        for samples in (NOISE[: 2 * RATE], NOISE[:9000], NOISE[2 * RATE :: -1].copy())
    ]
    path.write_bytes(b"".join(parts))
    expected = np.concatenate([decoded(part) for part in parts])
    np.testing.assert_allclose(read_everywhere(path), expected, atol=1e-6)
    path.write_bytes(b"".join(parts)[:-2000])
    assert "truncated OGG file" in refused(path)
    path.write_bytes(parts[0] + encoded(NOISE, "OGG", subtype, rate=8000))
    assert "parts of different rates or channels" in refused(path)


def test_missing_pages_inside_a_chain_are_refused(path):
    content = encoded(NOISE, "OGG", "VORBIS")
    pages = [n for n in range(len(content)) if content[n : n + 4] == b"OggS"]
    cut = content[: pages[-3]] + content[pages[-2] :]
    path.write_bytes(cut + content)
    assert "damaged or truncated OGG file: page" in refused(path)


def ogg_page(packet, number, flags, serial=7):
    """A page with one packet."""
    lengths = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    page = bytearray(b"OggS\0" + bytes([flags]) + bytes(8) + serial.to_bytes(4, "little"))
    page += number.to_bytes(4, "little") + bytes(4) + bytes([len(lengths)]) + lengths + packet
    return renewed(page)


def ogg_checksum(page):
    """The checksum by its definition, a bit at a time."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc


def ogg_pages(content):
    starts = [n for n in range(len(content)) if content[n : n + 4] == b"OggS"]
    return [bytearray(content[a:b]) for a, b in pairwise([*starts, len(content)])]


def renewed(page):
    """A page with its right checksum."""
    page[22:26] = bytes(4)
    page[22:26] = ogg_checksum(page).to_bytes(4, "little")
    return bytes(page)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("seconds", [5, 7200])
def test_ogg_cut_out_of_a_longer_stream_is_read_whole_or_refused(path, subtype, seconds):
    content = encoded(NOISE, "OGG", subtype)
    pages = ogg_pages(content)
    for page in pages:
        if position := int.from_bytes(page[6:14], "little"):
            page[6:14] = (position + seconds * 48000).to_bytes(8, "little")
    path.write_bytes(b"".join(map(renewed, pages)))
    if subtype == "OPUS":
        assert "Opus stream that was cut out of a longer one" in refused(path)
        return
    np.testing.assert_allclose(read_everywhere(path), decoded(content), atol=1e-6)
    # A page in it that cannot be read is still found.
    pages[-2][40] ^= 0x55
    path.write_bytes(b"".join(map(bytes, pages)))
    refused(path)


def test_streams_side_by_side_are_refused(path):
    content = encoded(NOISE[:9000], "OGG", "VORBIS")
    other = [ogg_page(b"fishead\0" + bytes(56), 0, 2), ogg_page(b"end", 1, 4)]
    pages = list(map(bytes, ogg_pages(content)))
    path.write_bytes(b"".join([other[0], pages[0], *pages[1:], other[1]]))
    assert "several interleaved streams" in refused(path)


@pytest.mark.parametrize("copies", [1, 2])
def test_flac_in_ogg_is_read(path, copies):
    samples = NOISE[:9000]
    flac = with_total(encoded(samples, "FLAC", "PCM_16"), 0)
    start = flac.index(b"fLaC")
    first, rest = flac[start : start + 42], flac[start + 42 :]
    packets = [
        b"\x7fFLAC\1\0\0\1" + first,
        *(rest[n : n + 9000] for n in range(0, len(rest), 9000)),
    ]
    pages = [
        ogg_page(packet, number, 2 * (number == 0) + 4 * (number == len(packets) - 1))
        for number, packet in enumerate(packets)
    ]
    path.write_bytes(b"".join(pages) * copies)
    np.testing.assert_array_equal(
        read_everywhere(path), np.tile(decoded(flac_with(samples)), copies)
    )


def flac_with(samples):
    return encoded(samples, "FLAC", "PCM_16")


# MP3.

SPEECH_AND_SILENCE = NOISE * np.repeat([0.0, 1.0, 0.02, 1.0], RATE).astype(np.float32)
BIT_RATES = {  # of layer III, in kbit/s, by version
    3: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
}


def mp3_frames(content):
    """Frames of an MP3 file without tags, by the definition of their headers."""
    frames, at = [], 0
    while at < len(content):
        version, rate = content[at + 1] >> 3 & 3, content[at + 2] >> 2 & 3
        hertz = [44100, 48000, 32000][rate] // {3: 1, 2: 2, 0: 4}[version]
        bits = 1000 * BIT_RATES[3 if version == 3 else 2][content[at + 2] >> 4]
        length = (144 if version == 3 else 72) * bits // hertz + (content[at + 2] >> 1 & 1)
        frames.append(content[at : at + length])
        at += length
    assert sum(map(len, frames)) == len(content)
    return frames


def mp3(samples, mode="VARIABLE", rate=RATE, level=0.5):
    return encoded(samples, "MP3", rate=rate, bitrate_mode=mode, compression_level=level)


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT", "AVERAGE"])
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("silence_first", [True, False])
def test_mp3_without_a_header_of_its_length_is_read_whole(path, mode, rate, silence_first):
    samples = SPEECH_AND_SILENCE if silence_first else SPEECH_AND_SILENCE[::-1].copy()
    content = mp3(samples, mode, rate)
    frames = mp3_frames(content)
    assert b"Xing" in frames[0] or b"Info" in frames[0]
    path.write_bytes(b"".join(frames[1:]))
    found = read_everywhere(path)
    per_frame = 1152 if rate > 24000 else 576
    # A decoder may drop its own delay, 529 samples.
    assert (len(frames) - 1) * per_frame - 529 <= len(found) <= (len(frames) - 1) * per_frame
    expected = decoded(content)
    loud = RATE if silence_first else 2 * RATE
    template = expected[loud : loud + 3000]
    shift = int(np.argmax(np.correlate(found[loud : loud + 6000], template)))
    assert 0 < shift < 2500
    length = min(len(expected), len(found) - shift)
    assert length > len(expected) - 1200
    np.testing.assert_allclose(found[shift : shift + length], expected[:length], atol=0.02)


@pytest.mark.slow
def test_mp3_files_in_one_are_read_one_after_the_other(path):
    one, other = mp3(SPEECH_AND_SILENCE), mp3(NOISE[: 2 * RATE], "CONSTANT")
    tag = b"ID3\4\0\0\0\0\2\0" + bytes(256)
    old_tag = b"TAG" + b"a title".ljust(125, b"\0")
    expected = np.concatenate([decoded(one), decoded(other), decoded(one)])
    for between in (b"", tag, old_tag, old_tag + tag, bytes(500)):
        path.write_bytes(tag + one + between + other + between + one + old_tag)
        np.testing.assert_allclose(read_everywhere(path), expected, atol=1e-6)
    path.write_bytes(one + mp3(NOISE, rate=8000))
    assert "parts of different rates or channels" in refused(path)


@pytest.mark.parametrize("has_header", [True, False])
def test_mp3_in_wav_is_read_whole(path, has_header):
    frames = mp3_frames(mp3(SPEECH_AND_SILENCE))
    content = b"".join(frames if has_header else frames[1:])
    form = (0x55).to_bytes(2, "little") + b"\1\0" + RATE.to_bytes(4, "little") + bytes(4)
    form += b"\1\0\0\0" + b"\x0c\0" + b"\1\0\2\0\0\0\x20\1\1\0\0\0"
    path.write_bytes(riff(chunk(b"fmt ", form), chunk(b"data", content), METADATA["LIST"]))
    bare = path.with_suffix(".mp3")
    bare.write_bytes(content)
    np.testing.assert_array_equal(read_everywhere(path), read_audio(bare)[0])
    path.write_bytes(riff(chunk(b"fmt ", form), chunk(b"data", content))[:-500])
    assert "truncated WAV file" in refused(path)


@pytest.mark.parametrize("change", [-40, 40])
def test_a_wrong_number_of_frames_in_a_header_is_a_claim(path, change):
    content = bytearray(mp3(NOISE))
    at = max(content.find(b"Xing"), content.find(b"Info")) + 8
    count = int.from_bytes(content[at : at + 4], "big")
    assert count == len(mp3_frames(content)) - 1
    content[at : at + 4] = (count + change).to_bytes(4, "big")
    path.write_bytes(content)
    if change > 0:
        assert "truncated MP3 file, holds" in refused(path)
    else:
        np.testing.assert_allclose(read_everywhere(path), decoded(mp3(NOISE)), atol=1e-6)


@pytest.mark.parametrize("has_header", [True, False])
@pytest.mark.parametrize("part", [0.4, 0.7, 0.99])
def test_cut_mp3_is_refused_on_sight(path, has_header, part):
    frames = mp3_frames(mp3(NOISE))
    content = b"".join(frames if has_header else frames[1:])
    path.write_bytes(content[: int(part * len(content))])
    assert "truncated MP3 file" in refused(path)
    with pytest.raises(AudioError):
        probe(path)


def test_mp3_with_a_hole_is_refused(path):
    frames = mp3_frames(mp3(NOISE))[1:]
    content = bytearray(b"".join(frames))
    start = len(b"".join(frames[:50]))
    content[start] = 0
    path.write_bytes(content)
    assert "damaged MP3 file" in refused(path)
    # As a download leaves it that took its place on disk in advance.
    path.write_bytes(b"".join(frames[:50]) + bytes(20000))
    assert "truncated MP3 file: its last 20000 bytes are zeros" in refused(path)


def test_blocks_of_mp3_hold_no_clicks(path):
    content = mp3(np.tile(NOISE, 3))
    path.write_bytes(content)
    # Read in one call the decoder is not disturbed.
    blocks = iter_audio(path, block_seconds=0.1)
    np.testing.assert_allclose(np.concatenate(list(blocks)), decoded(content), atol=1e-6)


# Rates that no recording has.


@pytest.mark.parametrize("rate", [1, 50, 999, 1_000_001, 2**31 - 1])
def test_rates_that_are_none_of_sound_are_refused(path, rate):
    content = bytearray(encoded(np.zeros(32000), "WAV", "PCM_16"))
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    assert f"its header states a rate of {rate} Hz" in refused(path)


@pytest.mark.parametrize("rate", [1000, 8000, 192000, 1_000_000])
def test_rates_of_sound_are_read(path, rate):
    path.write_bytes(encoded(PCM, "WAV", "PCM_16", rate=rate))
    np.testing.assert_array_equal(read_everywhere(path) * 32768, PCM)


def outcome(path):
    """Number of samples read, or the refusal; anything else is raised."""
    try:
        whole, _ = read_audio(path)
    except AudioError as error:
        return str(error)
    assert probe(path).n_samples == len(whole)
    return len(whole)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.filterwarnings("ignore::speakergmm.audio.AudioWarning")
def test_damaged_headers_are_read_or_refused_and_nothing_else(path, seed):
    rng = np.random.default_rng(seed)
    for file_format in ("WAV", "RF64", "W64", "AIFF", "AU", "NIST", "FLAC", "OGG", "MP3", "SDS"):
        whole = encoded(NOISE[:3000], file_format)
        for _ in range(6):
            content = bytearray(whole)
            for place in rng.integers(0, 60, rng.integers(1, 4)):
                content[place] = rng.choice([0, 255, rng.integers(256)])
            path.write_bytes(content)
            assert "\n" not in str(outcome(path))


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.8])
def test_truncated_flac_is_refused_on_sight(path, subtype, part):
    content = encoded(NOISE, "FLAC", subtype)
    path.write_bytes(content[: int(part * len(content))])
    refused(path)
    with pytest.raises(AudioError, match="FLAC file: the end of the 4"):
        probe(path)


def test_flac_with_something_behind_it_is_read(path):
    path.write_bytes(FLAC + b"APETAGEX" + bytes(range(256)))
    np.testing.assert_array_equal(read_everywhere(path), decoded(FLAC))


def test_flac_without_a_right_header_is_refused(path):
    content = bytearray(FLAC)
    content[7] = 35
    path.write_bytes(content)
    refused(path)


def remainder(data, polynomial, bits):
    """The checksum by its definition, a bit at a time."""
    value = 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> (bits - 1) else 0)) & ((1 << bits) - 1)
    return value.to_bytes(bits // 8, "big")


def silent_flac(n_frames, block):
    """FLAC of frames that say one value for a block each."""
    fields = RATE << 44 | 15 << 36 | n_frames * block
    content = b"fLaC\x80\0\0\x22" + 2 * block.to_bytes(2, "big") + bytes(6)
    content += fields.to_bytes(8, "big") + bytes(16)
    for number in range(n_frames):
        frame = b"\xff\xf8\x70\x08" + chr(number).encode() + (block - 1).to_bytes(2, "big")
        frame += remainder(frame, 0x07, 8) + bytes(3)
        content += frame + remainder(frame, 0x8005, 16)
    return content


def test_a_small_file_of_hours_is_refused(path):
    path.write_bytes(silent_flac(300, 4096))
    assert not read_everywhere(path).any()
    path.write_bytes(silent_flac(300, 65535))
    assert "holds 0.3 h of audio in" in refused(path)
