"""Back-ends: what stands between the statistics of sessions and the raw score of a trial."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.speakers.backends.backend import Backend as Backend
    from speakergmm.speakers.backends.backend import StatisticsScorer as StatisticsScorer
    from speakergmm.speakers.backends.backend import Terms as Terms
    from speakergmm.speakers.backends.backend import TrialScorer as TrialScorer
    from speakergmm.speakers.backends.backend import pack_terms as pack_terms
    from speakergmm.speakers.backends.backend import split_terms as split_terms
    from speakergmm.speakers.backends.backend import stack_terms as stack_terms
    from speakergmm.speakers.backends.backend import terms_size as terms_size
    from speakergmm.speakers.backends.backend_table import BACKENDS as BACKENDS
    from speakergmm.speakers.backends.backend_table import make_backend as make_backend
    from speakergmm.speakers.backends.factor_backends import (
        JointFactorBackend as JointFactorBackend,
    )
    from speakergmm.speakers.backends.factor_backends import (
        SessionVariabilityBackend as SessionVariabilityBackend,
    )
    from speakergmm.speakers.backends.factor_backends import (
        TrainedJointFactors as TrainedJointFactors,
    )
    from speakergmm.speakers.backends.factor_backends import (
        TrainedSessionVariability as TrainedSessionVariability,
    )
    from speakergmm.speakers.backends.ivector_backend import IvectorBackend as IvectorBackend
    from speakergmm.speakers.backends.ivector_backend import TrainedIvectors as TrainedIvectors
    from speakergmm.speakers.backends.mixture_backends import GmmUbmBackend as GmmUbmBackend
    from speakergmm.speakers.backends.mixture_backends import LinearBackend as LinearBackend
    from speakergmm.speakers.backends.supervector_backend import (
        SupervectorBackend as SupervectorBackend,
    )
    from speakergmm.speakers.backends.supervector_backend import (
        TrainedSupervectors as TrainedSupervectors,
    )
    from speakergmm.speakers.backends.supervector_backend import (
        session_supervectors as session_supervectors,
    )
    from speakergmm.speakers.backends.trained_backend import TrainedBackend as TrainedBackend

__getattr__, __dir__ = lazy_names(__name__)
