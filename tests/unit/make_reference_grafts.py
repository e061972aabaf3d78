#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_reference_grafts.py MODELS FIXTURES: writes FIXTURES/reference/TARGET+DONOR.gguf with reference_graft.py.

Every target with a few donors, every donor with a few targets: all kinds are met, and the folder stays small.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from gguf_file import GgufFile  # noqa: E402
from reference_graft import graft  # noqa: E402

TARGETS = ["target-12L-Q4_K_M", "target-placeholder", "target-recurrent-layers", "target-placeholder-recurrent-layers",
           "target-head-count-kv-array", "target-head-count-kv-array-i32", "target-head-count-kv-array-zeros",
           "target-align-64", "target-align-4096", "target-v2", "target-shuffled-keys", "target-odd-keys",
           "target-trailing-bytes", "target-unpadded-end", "target-base-model", "target-extra-tensor",
           "target-odd-sizes"]
DONORS = ["mtp-base-8L-BF16", "mtp-base-8L-Q8_0", "mtp-base-8L-Q4_K_M", "mtp-random-8L-F16", "head-only-base-8L-BF16",
          "donor-norms-bf16", "donor-norms-f16", "donor-norms-unshifted", "donor-align-64", "donor-head-first-order",
          "donor-other-tokenizer", "donor-other-merges", "donor-rope", "donor-eps", "donor-no-shared-head-norm",
          "donor-tensors-only-no-keys", "donor-own-embeddings", "donor-recurrent-layers", "donor-head-count-kv-array",
          "donor-base-model"]
FEW_TARGETS = ["target-head-count-kv-array", "target-unpadded-end"]
FEW_DONORS = ["mtp-base-8L-Q8_0", "donor-norms-bf16"]
OTHERS = [("moe-qwen35moe-target", "moe-qwen35moe-donor"), ("moe-qwen35moe-target", "moe-qwen35moe-donor-fused"),
          ("moe-qwen3next-target", "moe-qwen3next-donor")]


def main():
    models, fixtures = map(Path, sys.argv[1:])
    out = fixtures / "reference"
    out.mkdir(parents=True, exist_ok=True)

    def read(name):
        bundled = models / f"{name}.gguf"
        return GgufFile.read(bundled if bundled.exists() else fixtures / f"{name}.gguf")

    pairs = [(target, donor) for target in TARGETS for donor in FEW_DONORS]
    pairs += [(target, donor) for target in FEW_TARGETS for donor in DONORS if donor not in FEW_DONORS]
    for target, donor in pairs + OTHERS:
        graft(read(target), read(donor)).write(out / f"{target}+{donor}.gguf")


if __name__ == "__main__":
    sys.exit(main())
