"""Stepwise EM: mixtures that learn from a stream of frames, block by block."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.mixtures.stepwise.stepwise_em import StepwiseState as StepwiseState
    from speakergmm.mixtures.stepwise.stepwise_em import check_step_size as check_step_size
    from speakergmm.mixtures.stepwise.stepwise_em import expected_statistics as expected_statistics
    from speakergmm.mixtures.stepwise.stepwise_em import update_stepwise as update_stepwise

__getattr__, __dir__ = lazy_names(__name__)
