"""FID of folders of images by torch-fidelity, on the same random weights as our tests: what the tests compare with.

It runs in the environment that ``tools/inception_parity.py`` describes:

    PYTHONPATH=src /tmp/peers/env/bin/python tools/folder_parity.py [--write] [--whole]

torch-fidelity finds the files, reads them and extracts the features. Its own formula takes the eigenvalues of a product
of two singular matrices of 2048, which leaves noise where there are few images; so the distance is taken from its
features by singular values, which is the same number without the noise. ``--whole`` prints its own beside it for the
first case. With ``--write`` the numbers are saved as ``tests/metrics/folder_parity.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from inception_parity import allow_torchvision, saved

TESTS = Path(__file__).parents[1] / "tests" / "metrics"
sys.path.insert(0, str(TESTS))
from folder_images import KINDS, SIZES, case_name, write_folder  # noqa: E402
from random_weights import random_weights, shapes_of  # noqa: E402

from zerosum.metrics.features.inception import InceptionV3  # noqa: E402

FILE = TESTS / "folder_parity.json"
FID = "frechet_inception_distance"
Vectors = npt.NDArray[np.float64]


def distance(a: Vectors, b: Vectors) -> float:
    """Fréchet distance of two sets of vectors (N, D), exact to rounding for few of them."""
    x, y = ((side - side.mean(axis=0)) / np.sqrt(len(side) - 1) for side in (a, b))
    # tr sqrt(X'X Y'Y) is the sum of the singular values of X Y'.
    common = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    shift = a.mean(axis=0) - b.mean(axis=0)
    return float(shift @ shift + np.square(x).sum() + np.square(y).sum() - 2 * common)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    library = allow_torchvision()  # kept: the operators vanish with it
    from torch_fidelity import calculate_metrics
    from torch_fidelity.utils import create_feature_extractor, prepare_input_from_id

    found: dict[str, float] = {}
    with saved(random_weights(shapes_of(InceptionV3()))) as weights, tempfile.TemporaryDirectory() as room:
        how = {"cuda": False, "verbose": False, "batch_size": 4, "feature_extractor_weights_path": weights}
        extractor = create_feature_extractor("inception-v3-compat", ["2048"], **how)
        for kind in KINDS:
            for height, width in SIZES:
                name = case_name(kind, height, width)
                folders = [str(write_folder(Path(room, name, s), kind, s, height, width)) for s in ("fakes", "photos")]
                inputs = {"input1": folders[0], "input2": folders[1], **how}
                with torch.no_grad():
                    images = [torch.stack(list(prepare_input_from_id(i, **inputs))) for i in (1, 2)]
                    vectors = [extractor(side)[0].double().numpy() for side in images]
                found[name] = distance(*vectors)
                whole = options.whole and len(found) == 1
                own = calculate_metrics(fid=True, cache=False, **inputs)[FID] if whole else ""
                print(f"{name:20} {found[name]:.8f} {own}", flush=True)
    del library
    if options.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
