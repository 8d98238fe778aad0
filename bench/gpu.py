"""bench/score.py on a CUDA GPU: a network of Gemma-2-2B's shape with random weights (speed does not depend on
them), in bfloat16.

    python bench/gpu.py [--prompts 480]

Prints the device, decisions a second of homines, lm-evaluation-harness's loglikelihood and
generate-and-parse, and the share of this GPU's own rate at matrix products; writes bench/gpu.json. Where
there is no CUDA GPU it says so and ends. Needs the extra [bench].
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from homines.models import catalogue
from homines.models.hf import HuggingFace

HERE = Path(__file__).parent
GEMMA_2_2B: dict[str, Any] = {
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 256_000,
}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--prompts", type=int, default=480)
    given = ask.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA GPU on this machine: nothing was measured; bench/score.py does the same on processors")
        return
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    sys.path.insert(0, str(HERE))
    from score import battery, compare, peak

    tokenizer: Any = AutoTokenizer.from_pretrained(str(catalogue.pull()))
    torch.manual_seed(0)
    config = AutoConfig.for_model("gemma2", **GEMMA_2_2B)
    with torch.device("cuda"):
        net = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    model = HuggingFace(net, tokenizer, name="gemma-2-2b's shape", provenance={"revision": "random"})
    prompts = battery(model, given.prompts)
    out = {
        "device": torch.cuda.get_device_name(),
        "date": time.strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        **compare(model, prompts),
        "profile": peak(model, prompts),
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9,
    }
    print(json.dumps(out, indent=1))
    (HERE / "gpu.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
