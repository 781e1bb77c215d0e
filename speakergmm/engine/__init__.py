"""The engine: one worker, threads, processes, a pool of the user's or a Dask cluster.

One function, `map_reduce`, computes sums over the shards of some data on any of them, with the same
bits. ``with use(engine):`` lets functions and estimators work there that are not told otherwise.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.engine.blas import single_threaded_blas as single_threaded_blas
    from speakergmm.engine.cores import count_cores as count_cores
    from speakergmm.engine.cores import effective_jobs as effective_jobs
    from speakergmm.engine.dask_connection import scheduler_client as scheduler_client
    from speakergmm.engine.executors import Executor as Executor
    from speakergmm.engine.pairwise_sums import combine_in_pairs as combine_in_pairs
    from speakergmm.engine.workers import ONE_WORKER as ONE_WORKER
    from speakergmm.engine.workers import Engine as Engine
    from speakergmm.engine.workers import EngineLike as EngineLike
    from speakergmm.engine.workers import map_reduce as map_reduce
    from speakergmm.engine.workers import use as use

__getattr__, __dir__ = lazy_names(__name__)
