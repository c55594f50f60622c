"""What a process may use of the machine: threads of BLAS."""

from __future__ import annotations

from threadpoolctl import threadpool_info

from emdose.compute import machine


def test_blas_has_one_thread_for_a_while() -> None:
    """Oracle: what threadpoolctl says of the libraries of the process."""

    def threads() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    with machine.one_blas_thread():
        pass  # libraries are loaded
    before = threads()
    with machine.one_blas_thread():
        assert set(threads()) == {1}
    assert threads() == before
