"""Operations on mixtures beside scoring: marginals, conditionals, divergences."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.mixtures.operations.conditionals import (
        ConditionalMixtures as ConditionalMixtures,
    )
    from speakergmm.mixtures.operations.conditioning import Dims as Dims
    from speakergmm.mixtures.operations.conditioning import condition as condition
    from speakergmm.mixtures.operations.conditioning import conditional_mean as conditional_mean
    from speakergmm.mixtures.operations.conditioning import marginal as marginal
    from speakergmm.mixtures.operations.divergence import Estimate as Estimate
    from speakergmm.mixtures.operations.divergence import VariationalBound as VariationalBound
    from speakergmm.mixtures.operations.divergence import (
        component_divergences as component_divergences,
    )
    from speakergmm.mixtures.operations.divergence import kl_monte_carlo as kl_monte_carlo
    from speakergmm.mixtures.operations.divergence import kl_upper_bound as kl_upper_bound
    from speakergmm.mixtures.operations.divergence import kl_variational as kl_variational

__getattr__, __dir__ = lazy_names(__name__)
