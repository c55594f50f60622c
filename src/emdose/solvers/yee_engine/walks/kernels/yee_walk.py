"""NumPy reference of yee_walk.cuh: whole steps over the whole lattice, whatever the order of the blocks."""

from __future__ import annotations

from emdose.solvers.yee_engine.walks.kernels.yee_lattice import Reference, Struct, add_terms, branch_terms, face_terms


def walk(
    shape: tuple[int],
    task: Struct,
    mesh: Struct,
    medium: Struct,
    rows: Struct,
    groups: Struct,
    terms: Struct,
    faces: Struct,
    branches: Struct,
    samples: Struct,
    fields: Struct,
) -> None:
    """Mode 0: E of one step, 1: H of it, 2: ``steps`` whole steps, 3: nothing, for 2 has done it."""
    reference, e, h = Reference(mesh, medium), fields.e, fields.h
    bounds = groups.first.reshape(4, -1)
    (e0, h0, f0, _), (e1, h1, f1, _) = (bounds[:, n].tolist() for n in (0, -1))

    def electric(n: int) -> None:
        reference.update(0, e, h, fields.psi)
        add_terms(e0, e1, terms, task.drive[n * terms.columns :], e)
        place = n * branches.count
        branch_terms(branches, task.source[place:], fields.state, e, fields.record[2 * place :])
        reference.fourier(0, e, task, samples, task.first_step + n, fields.dft)

    def magnetic(n: int) -> None:
        reference.update(1, h, e, fields.psi)
        face_terms(f0, f1, faces, e, h)
        add_terms(h0, h1, terms, task.drive[n * terms.columns :], h)
        reference.fourier(1, h, task, samples, task.first_step + n, fields.dft)

    if task.mode == 0:
        electric(task.steps)
    elif task.mode == 1:
        magnetic(task.steps)
    elif task.mode == 2:
        for n in range(task.steps):
            electric(n)
            magnetic(n)
