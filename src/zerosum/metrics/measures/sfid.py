"""sFID: the Fréchet distance on features that know where in the image things are.

Nash, Menick, Dieleman and Battaglia 2021, "Generating Images with Sparse Representations" (arXiv:2103.03841): FID's
features are averaged over the image; sFID takes seven channels of an inner layer at every place. The layer is that of
ADM's evaluator, ``mixed_6/conv:0`` of the graph of 2015 (see ``SpatialInception``). A layer's convolution is called
``mixed_6/conv/Conv2D`` there; ``mixed_6/conv/batchnorm``, ``CheckNumerics`` and ``control_dependency`` follow, and what
bears the name of the layer itself is its last operation, the ReLU. So features are those after batch norm and ReLU.
"""

from zerosum.metrics.measure import Context, Measure, Number
from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.sides import Side


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    return [Number("sfid", frechet_distance(fake.moments, real.moments))]


MEASURE = Measure(
    name="sfid",
    summary="Fréchet distance on features that know places (Nash 2021)",
    run=_measure,
    directions={"sfid": "lower"},
    features="inception-spatial",
    published_on=None,
)
