"""Stepwise EM: mixtures that learn from a stream of frames, block by block."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.mixtures.mixture_options import StepwiseOptions as StepwiseOptions
    from speakergmm.mixtures.stepwise.stepwise_em import StepwiseState as StepwiseState
    from speakergmm.mixtures.stepwise.stepwise_em import expected_statistics as expected_statistics
    from speakergmm.mixtures.stepwise.stepwise_em import update_stepwise as update_stepwise

__getattr__, __dir__ = lazy_names(__name__)
