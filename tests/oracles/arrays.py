"""What a record holds, as arrays by name: for comparing two of them number by number."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.record_fields import parts


def arrays_of(record: Any) -> dict[str, NDArray[Any]]:
    """Return the numbers of a mixture, of statistics or of another record."""
    found = {name: value for name, value in parts(record).items() if value is not None}
    return {
        name: np.atleast_1d(value) for name, value in found.items() if not isinstance(value, str)
    }
