"""What closed surfaces enclose: rays through bins of triangles beside solid angles."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.models.implants import shapes
from emdose.models.implants.surface_repair import winding
from emdose.models.surfaces.enclosing import AXES, encloses

BODIES = {
    "ball": shapes.sphere(1.0, subdivisions=2),
    "shell": shapes.hollow_sphere(0.5, 0.4, subdivisions=2),
    "box": shapes.box((1, 1, 1)),
    "tube": shapes.tube(0.5, 0.3, 0.6, around=24),
    "needle": shapes.cylinder(0.03, 0.6, around=12),
}


@pytest.mark.parametrize("name", BODIES)
def test_rays_find_what_solid_angles_find(name: str) -> None:
    """Oracle: the solid angle of all triangles; points anywhere, close to faces, edges and corners, in a grid."""
    part = BODIES[name].parts[0]
    corners = part.vertices[part.triangles]
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    rng = np.random.default_rng(0)
    n = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    n /= np.linalg.norm(n, axis=1)[:, None]
    middle, edge = corners.mean(axis=1), 0.5 * (corners[:, 0] + corners[:, 1])
    near = np.concatenate([middle + 1e-9 * n, middle - 1e-9 * n, edge + 1e-8 * n, edge - 1e-8 * n])
    spread = np.stack(np.meshgrid(*[np.linspace(a, b, 8)[1:-1] for a, b in zip(low, high, strict=True)]), -1)
    points = np.concatenate(
        [
            low + (high - low) * rng.uniform(-0.05, 1.05, (400, 3)),
            near[rng.permutation(len(near))[:300]],
            spread.reshape(-1, 3),
            corners[:50, 0] * (1 - 1e-6),
        ]
    )
    turns = winding(corners, points)
    clear = np.abs(turns - np.round(turns)) < 1e-3
    assert clear.sum() > 600
    assert np.array_equal(encloses(corners, points)[clear], turns[clear] > 0.5)


def test_points_below_an_edge_or_a_corner_go_to_the_solid_angle() -> None:
    """Oracle: the ball; rays that meet its edges and corners exactly, of which there are three in every bin."""
    part = shapes.sphere(1.0, subdivisions=2).parts[0]
    corners = part.vertices[part.triangles]
    along = np.linalg.inv(AXES)[:, 2]
    points = np.concatenate([part.vertices - s * along for s in (0.1, 0.5, 1.0, 3.0)])
    clear = np.abs(np.linalg.norm(points, axis=1) - 1) > 0.05
    assert np.array_equal(encloses(corners, points)[clear], np.linalg.norm(points, axis=1)[clear] < 1)
