"""One thread per process: tests run side by side and must not fight for cores, and results must not depend on them."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start, too

import torch

torch.set_num_threads(1)
