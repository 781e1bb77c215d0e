"""Multi-condition speech: recordings as other devices, rooms and surroundings would change them."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.corpora.augmentation.active_speech import active_power as active_power
    from speakergmm.corpora.augmentation.augmentation_options import AS_RECORDED as AS_RECORDED
    from speakergmm.corpora.augmentation.augmentation_options import (
        CONDITION_NAMES as CONDITION_NAMES,
    )
    from speakergmm.corpora.augmentation.augmentation_options import (
        DEFAULT_CONDITIONS as DEFAULT_CONDITIONS,
    )
    from speakergmm.corpora.augmentation.augmentation_options import (
        AnyAugmentation as AnyAugmentation,
    )
    from speakergmm.corpora.augmentation.augmentation_options import (
        AugmentationOptions as AugmentationOptions,
    )
    from speakergmm.corpora.augmentation.augmentation_options import (
        as_augmentation as as_augmentation,
    )
    from speakergmm.corpora.augmentation.augmented_audio import augmented as augmented
    from speakergmm.corpora.augmentation.augmented_audio import content_name as content_name
    from speakergmm.corpora.augmentation.babble import Babble as Babble
    from speakergmm.corpora.augmentation.clipping import Clipping as Clipping
    from speakergmm.corpora.augmentation.codec import Codec as Codec
    from speakergmm.corpora.augmentation.codec import available_codecs as available_codecs
    from speakergmm.corpora.augmentation.condition import Clean as Clean
    from speakergmm.corpora.augmentation.condition import Condition as Condition
    from speakergmm.corpora.augmentation.condition_table import make_condition as make_condition
    from speakergmm.corpora.augmentation.gain import Gain as Gain
    from speakergmm.corpora.augmentation.image_sources import Room as Room
    from speakergmm.corpora.augmentation.image_sources import room_response as room_response
    from speakergmm.corpora.augmentation.image_sources import with_decay as with_decay
    from speakergmm.corpora.augmentation.noise import Noise as Noise
    from speakergmm.corpora.augmentation.quantisation import a_law as a_law
    from speakergmm.corpora.augmentation.quantisation import linear_pcm as linear_pcm
    from speakergmm.corpora.augmentation.recorded_versions import (
        utterance_versions as utterance_versions,
    )
    from speakergmm.corpora.augmentation.recorded_versions import (
        version_condition as version_condition,
    )
    from speakergmm.corpora.augmentation.reverberation import Reverberation as Reverberation
    from speakergmm.corpora.augmentation.talkers import N_TALKERS as N_TALKERS
    from speakergmm.corpora.augmentation.talkers import Talkers as Talkers
    from speakergmm.corpora.augmentation.talkers import talker_pool as talker_pool
    from speakergmm.corpora.augmentation.talkers import talkers_digest as talkers_digest
    from speakergmm.corpora.augmentation.telephone import LINE_RATE as LINE_RATE
    from speakergmm.corpora.augmentation.telephone import Telephone as Telephone

__getattr__, __dir__ = lazy_names(__name__)
