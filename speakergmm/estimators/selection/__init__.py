"""Selection of the number of components: by BIC, AIC, or the likelihood of held-out frames."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.estimators.selection.component_selection import (
        select_n_components as select_n_components,
    )
    from speakergmm.estimators.selection.selection_path import Selection as Selection
    from speakergmm.estimators.selection.selection_path import SelectionRow as SelectionRow
    from speakergmm.estimators.selection.selection_rule import (
        standard_error_of_sum as standard_error_of_sum,
    )

__getattr__, __dir__ = lazy_names(__name__)
