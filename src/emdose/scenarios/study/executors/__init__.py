"""Who computes the samples of a study: this process, threads, processes, or a Dask cluster."""

from emdose.scenarios.study.executors.calls import Failure, address_of, resolve
from emdose.scenarios.study.executors.choice import executor
from emdose.scenarios.study.executors.local import Executor, Serial, Threads

__all__ = ["Executor", "Failure", "Serial", "Threads", "address_of", "executor", "resolve"]
