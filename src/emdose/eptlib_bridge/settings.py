"""What EPTlib can be asked for, in emdose's words, and the native method that does the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emdose.checks import one_of, whole
from emdose.ept.local.automatic import AutomaticHelmholtz
from emdose.ept.local.helmholtz import Helmholtz
from emdose.ept.local.savitzky_golay import SavitzkyGolay
from emdose.ept.maps.b1map import B1Map
from emdose.ept.transport.convection_reaction import ConvectionReaction
from emdose.ept.transport.gradient import Gradient, Seed
from emdose.errors import InputError
from emdose.values import read_only

METHODS = {0: "helmholtz", 1: "convection-reaction", 2: "gradient", 100: "automatic"}
"""EPTlib's method numbers."""
SHAPES = ("cross", "ellipsoid", "cuboid")
"""EPTlib's kernel shapes 0, 1, 2."""
Size = tuple[int, int, int]
Method = Helmholtz | AutomaticHelmholtz | ConvectionReaction | Gradient


@read_only
@dataclass(frozen=True)
class Filter:
    """EPTlib's post-processing: median, or with variances the weighted mean, within a reference image if there is one.

    Parameters
    ----------
    size, shape, weight_param :
        Half-widths, shape and threshold of the relative contrast.
    """

    size: Size = (1, 1, 1)
    shape: str = "cuboid"
    weight_param: float = 0.10


@read_only
@dataclass(frozen=True)
class Settings:
    """Settings of EPTlib; the defaults are EPTlib's.

    Parameters
    ----------
    method : {"helmholtz", "convection-reaction", "gradient", "automatic"}
        Method. "automatic" is the experimental Helmholtz method with the kernel of least variance.
    size, shape, degree : (int, int, int), {"cross", "ellipsoid", "cuboid"}, int
        Savitzky-Golay kernel: half-widths in voxels, shape, degree.
    weight_param : float
        Contrast of the soft weights when there is a reference image.
    variance : bool
        Also compute the variance (Helmholtz methods).
    volume : bool
        Reconstruct the volume rather than a slice (convection-reaction, gradient).
    imaging_slice : int, optional
        Slice; the middle one by default.
    dirichlet : (float, float)
        Conductivity [S/m] and relative permittivity at the rim (convection-reaction).
    diffusion : float, optional
        Coefficient of artificial diffusion (convection-reaction).
    max_iterations, tolerance : int, float
        Of EPTlib's iterative solver (convection-reaction); emdose solves directly.
    full_run : bool
        Global step of gradient EPT.
    seeds : sequence of Seed
        Seed points of gradient EPT; without them it is regularised.
    regularisation, gradient_tolerance : float
        Of gradient EPT without seeds.
    sizes, shapes : sequences
        Kernels to choose from ("automatic").
    unphysical : bool
        "automatic" may choose values that are not physical.
    post : Filter, optional
        Filter of the result.

    Raises
    ------
    InputError
        For values that EPTlib refuses.
    """

    method: str = "helmholtz"
    size: Size = (1, 1, 1)
    shape: str = "cross"
    degree: int = 2
    weight_param: float = 0.05
    variance: bool = False
    volume: bool = False
    imaging_slice: int | None = None
    dirichlet: tuple[float, float] = (0.0, 1.0)
    diffusion: float | None = None
    max_iterations: int = 1000
    tolerance: float = 1e-6
    full_run: bool = True
    seeds: Sequence[Seed] = ()
    regularisation: float = 1.0
    gradient_tolerance: float = 0.0
    sizes: Sequence[Size] = ()
    shapes: Sequence[str] = ()
    unphysical: bool = False
    post: Filter | None = None

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS.values(), problem="unknown method")
        for shape in (self.shape, *self.shapes, *([] if self.post is None else [self.post.shape])):
            one_of("shape", shape, SHAPES, problem="unknown kernel shape")
        whole("degree", self.degree, 2, problem="degree too low")
        if self.dirichlet[0] < 0 or self.dirichlet[1] < 1:
            raise InputError(
                "boundary value out of range",
                field="dirichlet",
                found=self.dirichlet,
                expected="a conductivity >= 0 and a relative permittivity >= 1",
            )
        if self.method == "automatic" and (not self.sizes or len(self.sizes) != len(self.shapes)):
            raise InputError(
                "kernels to choose from missing",
                field="sizes",
                found=len(self.sizes),
                expected="as many sizes as shapes, at least one",
            )

    def slice_of(self, b1: B1Map) -> int | None:
        """Index of the slice that is reconstructed; None for the volume."""
        if self.volume or self.method in ("helmholtz", "automatic"):
            return None
        return b1.grid.shape[2] // 2 if self.imaging_slice is None else self.imaging_slice

    def native(self, b1: B1Map) -> Method:
        """The emdose method with these settings, for a map.

        Plain Helmholtz is the same filter. With a reference image the soft weights are the same and the fitted value
        is the denominator; a window that does not hold enough voxels for fits inside a mask (a cross) becomes the
        cuboid of the same radii there, and in gradient EPT. Convection-reaction with artificial diffusion is the same
        scheme; without it the regularised least squares of emdose are used, since EPTlib's system has zeros on its
        diagonal then.
        """
        form = "complex" if b1.magnitude is not None and b1.phase is not None else "phase"
        form = "magnitude" if b1.phase is None else form
        if self.method == "helmholtz":
            with_reference = b1.reference is not None
            shape = self._masked_shape(b1) if with_reference else self.shape
            return self._helmholtz(form, shape, self.size, with_reference)
        if self.method == "automatic":
            kernels = tuple(
                self._helmholtz(form, shape, size, False) for shape, size in zip(self.shapes, self.sizes, strict=True)
            )
            return AutomaticHelmholtz(kernels, physical=not self.unphysical)
        chosen = self.slice_of(b1)
        slices = None if chosen is None else (chosen,)
        if self.method == "gradient":
            return Gradient(
                volume=self.volume,
                slices=slices,
                kernel=self._masked_shape(b1),
                radius=self.size,
                degree=self.degree,
                local_only=not self.full_run,
                seeds=tuple(self.seeds),
                regularisation=0.0 if self.seeds else self.regularisation,
            )
        boundary = (self.dirichlet[0], self.dirichlet[1])
        if self.diffusion is None:
            return ConvectionReaction(volume=self.volume, slices=slices, boundary=boundary)
        return ConvectionReaction(
            volume=self.volume,
            slices=slices,
            kernel=self.shape,
            radius=self.size,
            degree=self.degree,
            boundary=boundary,
            diffusion=self.diffusion,
        )

    def _masked_shape(self, b1: B1Map) -> str:
        kernel = SavitzkyGolay(self.shape, self.size, self.degree, b1.grid.spacing_m)
        return self.shape if kernel.determined else "cuboid"

    def _helmholtz(self, form: str, shape: str, size: Size, reference: bool) -> Helmholtz:
        noisy = self.variance or self.method == "automatic"
        if reference:
            return Helmholtz(
                kernel=shape,
                radius=size,
                degree=self.degree,
                method=form,
                support="tissue",
                contrast=self.weight_param,
                uncertainty=noisy,
            )
        return Helmholtz(
            kernel=shape,
            radius=size,
            degree=self.degree,
            method=form,
            support="window",
            centre="voxel",
            uncertainty=noisy,
        )
